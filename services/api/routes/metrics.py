"""Figures over time, for the dashboard and for scripts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import NO_NUL, answers
from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.metrics import QueryMetrics, Series

router = Doors(tags=["status"])
_WITHIN_S = 5.0


class Figures(BaseModel):
    series: tuple[Series, ...]


@router.door(
    "GET",
    "/api/metrics",
    policy=Policy("status.read"),
    summary="Figures rolled up: by the hour up to 14 days, by the day beyond",
    responses=answers(Figures),
)
async def metrics(
    house: TheHouse,
    name: Annotated[
        str,
        Query(
            max_length=200,
            pattern=NO_NUL,
            description="Only names that begin so.",
            examples=["turn.voice_to_voice_ms"],
        ),
    ] = "",
    hours: Annotated[float, Query(gt=0, le=24 * 400, description="How far back.")] = 24.0,
) -> JSONResponse:
    """Only names that begin with `name`, of the last `hours`; 503 while the database is away."""
    found = await house.ctx.request(QueryMetrics(name=name, hours=hours), within=_WITHIN_S)
    return JSONResponse({"series": [series.model_dump(mode="json") for series in found]})
