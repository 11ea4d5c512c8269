"""The cache of the language models' answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import NO_NUL, answers
from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.responses import CacheState, ClearCache, DescribeCache

router = Doors(prefix="/api/llm/cache", tags=["models"])
_WITHIN_S = 10.0

OfModel = Annotated[str, Query(max_length=1000, pattern=NO_NUL, description="Only those of this model.")]
OfProfile = Annotated[str, Query(max_length=1000, pattern=NO_NUL, description="Only those made for this profile.")]


class Forgotten(BaseModel):
    forgotten: int


@router.door(
    "GET",
    "",
    policy=Policy("models.read", rate="cheap"),
    summary="How the cache of answers is doing",
    responses=answers(CacheState),
)
async def state(house: TheHouse) -> JSONResponse:
    found = await house.ctx.request(DescribeCache(), within=_WITHIN_S)
    return JSONResponse(found.model_dump(mode="json"))


@router.door(
    "DELETE",
    "",
    policy=Policy("models.manage", audit=True),
    summary="Forget kept answers, all or those of a model or a profile",
    responses=answers(Forgotten),
)
async def clear(house: TheHouse, model: OfModel = "", profile: OfProfile = "") -> JSONResponse:
    gone = await house.ctx.request(ClearCache(model=model, profile=profile), within=_WITHIN_S)
    return JSONResponse({"forgotten": gone})
