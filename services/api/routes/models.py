"""HTTP: the catalogue of model files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.api.doors import Doors
from services.api.house import House, TheHouse
from services.api.policy import Policy
from services.api.sse import events
from services.messages.models import (
    ChooseModel,
    FileProgress,
    FindModel,
    ImportModel,
    ListModels,
    ModelFile,
    PullModel,
    RemoveModel,
    VerifyModel,
)
from services.messages.pool import DescribePool, PoolState
from solo.bus import StreamRequest
from solo.errors import SoloError

router = Doors(prefix="/api/models")
_WITHIN_S = 30.0
"""For many headers at a first look."""
_POOL_WITHIN_S = 1.0
_CHECK_WITHIN_S = 3600.0
"""A trial has a limit of its own; reading all of a large file has none."""
_STEP_WITHIN_S = 120.0
"""Between two words of progress."""


class Need(BaseModel):
    model_config = ConfigDict(extra="forbid")

    memory_bytes: int | None = Field(default=None, ge=1, examples=[4_000_000_000])
    """It must fit in this much memory, its KV cache included."""
    context: int = Field(default=2048, ge=1, le=10_000_000)
    """Tokens of context."""
    purpose: Literal["chat", "code", "embedding", "any"] = "chat"
    """What it is for."""
    family: str = Field(default="", max_length=100)
    """Of this family only."""


class Source(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=2000, examples=["hf:owner/repository/file.gguf"])
    """`http(s)://...`, or `hf:owner/repository/file.gguf`."""
    sha256: str = Field(default="", pattern=r"^([0-9a-fA-F]{64})?$")
    """What its content must hash to."""
    name: str = Field(default="", max_length=200)
    """File name to give it; empty: as in the URL."""


class Elsewhere(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=4096, examples=["/home/me/model.gguf"])
    """Absolute path of a file on the machine of the daemon."""
    name: str = Field(default="", max_length=200)
    """File name to give it; empty: its own."""


@router.door("GET", "", policy=Policy("models.read"), summary="All model files, by name")
async def models(
    house: TheHouse, refresh: Annotated[bool, Query(description="Look through the folders first.")] = False
) -> JSONResponse:
    found = await house.ctx.request(ListModels(refresh=refresh), within=_WITHIN_S)
    return JSONResponse({"models": await _plain(house, found)})


@router.door(
    "POST",
    "/choose",
    policy=Policy("models.read"),
    summary="Models that serve a need, best first, each with why in `note`",
)
async def choose(need: Need, house: TheHouse) -> JSONResponse:
    asked = ChooseModel(memory_bytes=need.memory_bytes, context=need.context, purpose=need.purpose, family=need.family)
    found = await house.ctx.request(asked, within=_CHECK_WITHIN_S)
    return JSONResponse({"models": await _plain(house, found)})


@router.door(
    "POST",
    "/pull",
    policy=Policy("models.manage", rate="costly", audit=True),
    summary="Fetch a model into the folder of models",
)
async def pull(source: Source, request: Request, house: TheHouse) -> Response:
    """With `Accept: text/event-stream` server-sent events `progress`, and last `result` with the model, checked;
    otherwise the model as JSON. A client that leaves stops it; asked again it goes on where it stopped."""
    return await _taken_in(house, request, PullModel(url=source.url, sha256=source.sha256, name=source.name))


@router.door(
    "POST",
    "/import",
    policy=Policy("models.manage", rate="costly", audit=True),
    summary="Take a model from elsewhere on this machine into the folder of models",
)
async def bring(source: Elsewhere, request: Request, house: TheHouse) -> Response:
    """Answers as fetching does."""
    return await _taken_in(house, request, ImportModel(path=source.path, name=source.name))


@router.door("GET", "/{name}", policy=Policy("models.read"), summary="One model")
async def model(name: str, house: TheHouse) -> JSONResponse:
    return await _one(house, await house.ctx.request(FindModel(name=name), within=_WITHIN_S))


@router.door(
    "POST",
    "/{name}/verify",
    policy=Policy("models.manage", rate="costly", audit=True),
    summary="Check a model from the start: header, template, content, trial load",
)
async def verify(name: str, house: TheHouse) -> JSONResponse:
    """A model that does not pass is an answer too: `verdict` is `refused`, and `reason` says why."""
    return await _one(house, await house.ctx.request(VerifyModel(name=name), within=_CHECK_WITHIN_S))


@router.door("DELETE", "/{name}", policy=Policy("models.manage", audit=True), summary="Delete a model file")
async def remove(name: str, house: TheHouse) -> JSONResponse:
    return await _one(house, await house.ctx.request(RemoveModel(name=name), within=_WITHIN_S))


async def _taken_in(house: House, request: Request, asked: StreamRequest[FileProgress]) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        return events(house, asked, _told, within=_STEP_WITHIN_S)
    async with house.ctx.stream(asked, within=_STEP_WITHIN_S) as steps:
        async for step in steps:
            if step.model is not None:
                return await _one(house, step.model)
    raise RuntimeError("a model was taken in without a result")


def _told(step: FileProgress) -> tuple[str, object]:
    if step.model is not None:
        return "result", step.model.model_dump(mode="json")
    return "progress", step.model_dump(mode="json", exclude={"model"})


async def _one(house: House, found: ModelFile) -> JSONResponse:
    return JSONResponse((await _plain(house, [found]))[0])


async def _plain(house: House, found: Iterable[ModelFile]) -> list[dict[str, Any]]:
    """With what the pool knows of them; a pool that does not answer has nothing to say."""
    try:
        pool: PoolState | None = await house.ctx.request(DescribePool(), within=_POOL_WITHIN_S)
    except SoloError:
        pool = None
    loaded = {each.name for each in pool.models if each.state == "ready"} if pool else set()
    roles = {role.role: role.model for role in pool.roles} if pool else {}
    return [
        each.model_copy(
            update={
                "loaded": each.name in loaded,
                "roles": tuple(role for role, name in roles.items() if name == each.name),
            }
        ).model_dump(mode="json")
        for each in found
    ]
