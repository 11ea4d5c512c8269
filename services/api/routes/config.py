"""The settings in effect, and changing those that can be changed at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.api.documented import Body, answers, json_list
from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import Policy
from services.messages.config import ChangeConfig, DescribeConfig, Setting

router = Doors(prefix="/api/config", tags=["config"])
_WITHIN_S = 6.0

Path = Annotated[str, Field(min_length=1, max_length=200)]


class Changes(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"settings": {"log_level": "debug", "conversation.temperature": 0.2}}]}
    )

    settings: dict[Path, Any] = Field(min_length=1, max_length=50)
    """New values by dotted path."""


class Settings(BaseModel):
    settings: tuple[Setting, ...]


@router.door(
    "GET",
    "",
    policy=Policy("config.read"),
    summary="All settings in effect; secrets are masked",
    responses=answers(Settings),
)
async def settings(house: TheHouse) -> JSONResponse:
    """`live`: it can be changed with PATCH. Flags, environment, .env and solo.toml set the others, at the start."""
    found = await house.ctx.request(DescribeConfig(), within=_WITHIN_S)
    return JSONResponse({"settings": json_list(found)})


@router.door(
    "PATCH",
    "",
    policy=Policy("config.write", audit=True),
    summary="Change settings at once, until the next start: all that are named, or none",
    responses=answers(Settings),
)
async def change(changes: Changes, house: TheHouse, who: Who) -> JSONResponse:
    """Refused with 409 for a setting that is read at the start only; the hint says which variable to set then."""
    found = await house.ctx.request(ChangeConfig(settings=changes.settings, by=who.name), within=_WITHIN_S)
    return JSONResponse({"settings": json_list(found)})
