"""The language models: how they are, what is loaded, and which plays which role."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.language import Role
from services.messages.pool import DescribePool, LoadModel, UnloadModel, UseModel

router = Doors(prefix="/api/llm")
_WITHIN_S = 10.0
_FIND_WITHIN_S = 40.0
"""The catalogue may have to try a model first, and what a model is answering is answered before it is unloaded."""


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=1000, examples=["smollm2-135m-instruct.q4_1"])
    """As in the catalogue."""


class Loaded(Named):
    pin: bool | None = None
    """Pin it, so that it is never evicted, or unpin it."""


class Bound(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=1000, examples=["smollm2-135m-instruct.q4_1"])
    """A name of the catalogue, or a server as http://host:port/v1#model; empty: as the settings say."""


@router.door("GET", "/health", policy=Policy("models.read", rate="cheap"), summary="Roles, models, memory")
async def health(house: TheHouse) -> JSONResponse:
    """200 also when a model is down: `status` says how the pool is. Asking wakes no model."""
    return _json(await house.ctx.request(DescribePool(), within=_WITHIN_S))


@router.door(
    "POST",
    "/models/load",
    policy=Policy("models.manage", audit=True),
    status_code=202,
    summary="Load a model, in the background",
)
async def load(asked: Loaded, house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(LoadModel(name=asked.name, pin=asked.pin), within=_FIND_WITHIN_S), 202)


@router.door(
    "POST",
    "/models/unload",
    policy=Policy("models.manage", audit=True),
    summary="Unload a model when what it is answering is answered",
)
async def unload(asked: Named, house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(UnloadModel(name=asked.name), within=_FIND_WITHIN_S))


@router.door(
    "PUT",
    "/roles/{role}",
    policy=Policy("models.manage", audit=True),
    summary="Bind a role to a model; holds over a restart",
)
async def use(role: Role, bound: Bound, house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(UseModel(role=role, model=bound.model), within=_FIND_WITHIN_S))


def _json(answer: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json"), status_code=status)
