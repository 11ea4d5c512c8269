"""OpenAI's list of models: the roles that can be asked, and the models by name."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from services.api.documented import answers, path_of
from services.api.doors import Doors
from services.api.house import House
from services.api.openai.answers import ModelList, OneModel
from services.api.openai.embedder import embedder_of
from services.api.openai.errors import NoSuchModel, OpenAIRoute
from services.api.policy import Policy
from services.messages.models import ListModels, ModelFile
from services.messages.pool import DescribePool, LoadedModel, PoolState
from solo.errors import SoloError

router = Doors(route_class=OpenAIRoute)
_WITHIN_S = 5.0
_OWNER = "solo"


@router.door(
    "GET",
    "/v1/models",
    policy=Policy("models.read", rate="cheap"),
    summary="The models that can be asked, roles first",
    responses=answers(ModelList),
)
async def models(request: Request) -> Response:
    listed = await _listed(request.app.state.house)
    return JSONResponse({"object": "list", "data": list(listed.values())})


@router.door(
    "GET",
    "/v1/models/{name:path}",
    policy=Policy("models.read", rate="cheap"),
    summary="One of them",
    responses=answers(OneModel),
    openapi_extra=path_of("Its name, or a role's", "solo", 1000),
)
async def model(request: Request) -> Response:
    name = str(request.path_params["name"])
    listed = await _listed(request.app.state.house)
    if name not in listed:
        raise NoSuchModel(f"There is no model {name!r}", hint="GET /v1/models lists those that there are.")
    return JSONResponse(listed[name])


async def _listed(house: House) -> dict[str, dict[str, Any]]:
    """By name. The catalogue or the pool alone will do; raises the pool's error when neither answers."""
    pool: PoolState | None = None
    files: tuple[ModelFile, ...] | None = None
    failed: SoloError | None = None
    try:
        pool = await house.ctx.request(DescribePool(), within=_WITHIN_S)
    except SoloError as error:
        failed = error
    try:
        files = await house.ctx.request(ListModels(), within=_WITHIN_S)
    except SoloError as error:
        if failed is not None:
            raise failed from error
    listed: dict[str, dict[str, Any]] = {}
    embedder = await embedder_of(house.ctx)
    if pool is not None:
        bound: dict[str, str] = {role.role: role.answering or role.model for role in pool.roles if role.model}
        for role, played_by in {"solo": bound.get("dialog", ""), **bound}.items():
            listed[role] = _entry(role, 0, {"role": "dialog" if role == "solo" else role, "model": played_by})
    for file in files or ():
        if file.verdict != "refused":
            listed[file.name] = _entry(file.name, int(file.modified), _meta_of_file(file))
    for loaded in pool.models if pool is not None else ():
        entry = listed.setdefault(loaded.name, _entry(loaded.name, 0, {}))
        entry["meta"] |= _meta_of_loaded(loaded)
    if embedder:
        listed.setdefault(embedder, _entry(embedder, 0, {"role": "embedder"}))
    return listed


def _entry(name: str, created: int, meta: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": _OWNER, "meta": meta}


def _meta_of_file(file: ModelFile) -> dict[str, Any]:
    return {
        "family": file.family,
        "n_params": file.parameters,
        "size": file.size_bytes,
        "quantisation": file.quantisation,
        "n_ctx_train": file.context,
        "verdict": file.verdict,
    }


def _meta_of_loaded(loaded: LoadedModel) -> dict[str, Any]:
    return {"state": loaded.state, "n_ctx": loaded.context, "pinned": loaded.pinned}
