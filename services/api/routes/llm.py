"""The language models: how they are, what is loaded, and which plays which role."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from services.api.documented import NO_NUL, Body, answers, json_of
from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.language import Role
from services.messages.pool import DescribePool, LoadedModel, LoadModel, PoolState, RoleState, UnloadModel, UseModel

router = Doors(prefix="/api/llm", tags=["models"])
_WITHIN_S = 10.0
_FIND_WITHIN_S = 40.0
"""The catalogue may have to try a model first, and what a model is answering is answered before it is unloaded."""

RolePath = Annotated[Role, Path(description="Which role.", examples=["dialog"])]


class Named(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "smollm2-135m-instruct.q4_1"}]})

    name: str = Field(min_length=1, max_length=1000, pattern=NO_NUL)
    """As in the catalogue."""


class Loaded(Named):
    pin: bool | None = None
    """Pin it, so that it is never evicted, or unpin it."""


class Bound(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "smollm2-135m-instruct.q4_1"}]})

    model: str = Field(max_length=1000, pattern=NO_NUL)
    """A name of the catalogue, or a server as http://host:port/v1#model; empty: as the settings say."""


@router.door(
    "GET",
    "/health",
    policy=Policy("models.read", rate="cheap"),
    summary="Roles, models, memory",
    responses=answers(PoolState),
)
async def health(house: TheHouse) -> JSONResponse:
    """200 also when a model is down: `status` says how the pool is. Asking wakes no model."""
    return json_of(await house.ctx.request(DescribePool(), within=_WITHIN_S))


@router.door(
    "POST",
    "/models/load",
    policy=Policy("models.manage", audit=True),
    status_code=202,
    summary="Load a model, in the background",
    responses=answers(LoadedModel, 202),
)
async def load(asked: Loaded, house: TheHouse) -> JSONResponse:
    return json_of(await house.ctx.request(LoadModel(name=asked.name, pin=asked.pin), within=_FIND_WITHIN_S), 202)


@router.door(
    "POST",
    "/models/unload",
    policy=Policy("models.manage", audit=True),
    summary="Unload a model when what it is answering is answered",
    responses=answers(LoadedModel),
)
async def unload(asked: Named, house: TheHouse) -> JSONResponse:
    return json_of(await house.ctx.request(UnloadModel(name=asked.name), within=_FIND_WITHIN_S))


@router.door(
    "PUT",
    "/roles/{role}",
    policy=Policy("models.manage", audit=True),
    summary="Bind a role to a model; holds over a restart",
    responses=answers(RoleState),
)
async def use(role: RolePath, bound: Bound, house: TheHouse) -> JSONResponse:
    return json_of(await house.ctx.request(UseModel(role=role, model=bound.model), within=_FIND_WITHIN_S))
