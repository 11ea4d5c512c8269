"""HTTP: the catalogue of model files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.api.documented import NO_NUL, Body, answers
from services.api.doors import Doors
from services.api.house import House, TheHouse, Who
from services.api.jobs import InBackground, Job, Report, Work, accepted, jobs_of
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
from services.messages.security import Principal
from solo.bus import StreamRequest
from solo.errors import SoloError

router = Doors(prefix="/api/models", tags=["models"])
_WITHIN_S = 30.0
"""For many headers at a first look."""
_POOL_WITHIN_S = 1.0
_CHECK_WITHIN_S = 3600.0
"""A trial has a limit of its own; reading all of a large file has none."""
_STEP_WITHIN_S = 120.0
"""Between two words of progress."""
_EVENTS = 'event: progress\ndata: {"step": "fetching", ...}\n\nevent: result\ndata: {"name": ...}\n\n'
_TAKEN_IN = answers(ModelFile, stream=_EVENTS) | answers(Job, 202)

ModelName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=1000,
        pattern=NO_NUL,
        description="As in the catalogue.",
        examples=["smollm2-135m-instruct.q4_1"],
    ),
]


class Need(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"memory_bytes": 4_000_000_000, "purpose": "chat"}]})

    memory_bytes: int | None = Field(default=None, ge=1, le=2**53, strict=False)
    """It must fit in this much memory, its KV cache included."""
    context: int = Field(default=2048, ge=1, le=10_000_000, strict=False)
    """Tokens of context."""
    purpose: Literal["chat", "code", "embedding", "any"] = "chat"
    """What it is for."""
    family: str = Field(default="", max_length=100, pattern=NO_NUL)
    """Of this family only."""


class Source(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "hf:owner/repository/file.gguf"}]})

    url: str = Field(min_length=1, max_length=2000, pattern=NO_NUL)
    """`http(s)://...`, or `hf:owner/repository/file.gguf`."""
    sha256: str = Field(default="", pattern=r"^([0-9a-fA-F]{64})?$")
    """What its content must hash to."""
    name: str = Field(default="", max_length=200, pattern=NO_NUL)
    """File name to give it; empty: as in the URL."""


class Elsewhere(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"path": "/home/me/model.gguf"}]})

    path: str = Field(min_length=1, max_length=4096, pattern=NO_NUL)
    """Absolute path of a file on the machine of the daemon."""
    name: str = Field(default="", max_length=200, pattern=NO_NUL)
    """File name to give it; empty: its own."""


class Files(BaseModel):
    models: tuple[ModelFile, ...]


@router.door("GET", "", policy=Policy("models.read"), summary="All model files, by name", responses=answers(Files))
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
    responses=answers(Files),
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
    responses=_TAKEN_IN,
)
async def pull(source: Source, request: Request, house: TheHouse, who: Who, background: InBackground) -> Response:
    """With `Accept: text/event-stream` server-sent events `progress`, and last `result` with the model, checked;
    otherwise the model as JSON. A client that leaves stops it; asked again it goes on where it stopped. With
    `background` 202 and a job, which goes on when the client leaves."""
    asked = PullModel(url=source.url, sha256=source.sha256, name=source.name)
    if background:
        return _job(request, who, "models.pull", lambda report: _steps(house, asked, report))
    return await _taken_in(house, request, asked)


@router.door(
    "POST",
    "/import",
    policy=Policy("models.manage", rate="costly", audit=True),
    summary="Take a model from elsewhere on this machine into the folder of models",
    responses=_TAKEN_IN,
)
async def bring(source: Elsewhere, request: Request, house: TheHouse, who: Who, background: InBackground) -> Response:
    """Answers as fetching does."""
    asked = ImportModel(path=source.path, name=source.name)
    if background:
        return _job(request, who, "models.import", lambda report: _steps(house, asked, report))
    return await _taken_in(house, request, asked)


@router.door("GET", "/{name}", policy=Policy("models.read"), summary="One model", responses=answers(ModelFile))
async def model(name: ModelName, house: TheHouse) -> JSONResponse:
    return await _one(house, await house.ctx.request(FindModel(name=name), within=_WITHIN_S))


@router.door(
    "POST",
    "/{name}/verify",
    policy=Policy("models.manage", rate="costly", audit=True),
    summary="Check a model from the start: header, template, content, trial load",
    responses=answers(ModelFile) | answers(Job, 202),
)
async def verify(
    name: ModelName, request: Request, house: TheHouse, who: Who, background: InBackground
) -> JSONResponse:
    """A model that does not pass is an answer too: `verdict` is `refused`, and `reason` says why. With
    `background` 202 and a job."""

    async def check(_: Report) -> Any:
        found = await house.ctx.request(VerifyModel(name=name), within=_CHECK_WITHIN_S)
        return (await _plain(house, [found]))[0]

    if background:
        return _job(request, who, "models.verify", check)
    return await _one(house, await house.ctx.request(VerifyModel(name=name), within=_CHECK_WITHIN_S))


@router.door(
    "DELETE",
    "/{name}",
    policy=Policy("models.manage", audit=True),
    summary="Delete a model file",
    responses=answers(ModelFile),
)
async def remove(name: ModelName, house: TheHouse) -> JSONResponse:
    return await _one(house, await house.ctx.request(RemoveModel(name=name), within=_WITHIN_S))


async def _taken_in(house: House, request: Request, asked: StreamRequest[FileProgress]) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        return events(house, asked, _told, within=_STEP_WITHIN_S)
    async with house.ctx.stream(asked, within=_STEP_WITHIN_S) as steps:
        async for step in steps:
            if step.model is not None:
                return await _one(house, step.model)
    raise RuntimeError("a model was taken in without a result")


def _job(request: Request, who: Principal, kind: str, work: Work) -> JSONResponse:
    return accepted(jobs_of(request.app).start(who.profile, kind, work))


async def _steps(house: House, asked: StreamRequest[FileProgress], report: Report) -> Any:
    """The same in the background; a file is fetched long before it is checked, so the last bit waits for that."""
    async with house.ctx.stream(asked, within=_STEP_WITHIN_S) as steps:
        async for step in steps:
            if step.model is not None:
                return (await _plain(house, [step.model]))[0]
            if step.total_bytes:
                report(0.95 * step.done_bytes / step.total_bytes)
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
