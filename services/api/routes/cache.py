"""The cache of the language models' answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse

from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.responses import ClearCache, DescribeCache

router = Doors(prefix="/api/llm/cache")
_WITHIN_S = 10.0

Named = Annotated[str, Query(max_length=1000)]


@router.door("GET", "", policy=Policy("models.read", rate="cheap"), summary="How the cache of answers is doing")
async def state(house: TheHouse) -> JSONResponse:
    found = await house.ctx.request(DescribeCache(), within=_WITHIN_S)
    return JSONResponse(found.model_dump(mode="json"))


@router.door(
    "DELETE",
    "",
    policy=Policy("models.manage", audit=True),
    summary="Forget kept answers, all or those of a model or a profile",
)
async def clear(house: TheHouse, model: Named = "", profile: Named = "") -> JSONResponse:
    gone = await house.ctx.request(ClearCache(model=model, profile=profile), within=_WITHIN_S)
    return JSONResponse({"forgotten": gone})
