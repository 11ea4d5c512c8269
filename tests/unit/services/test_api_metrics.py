"""The route of the figures: one question on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.api.routes import metrics
from services.messages.metrics import Bucket, QueryMetrics, Series
from solo.bus import Bus
from solo.storage import DatabaseUnavailable
from solo.supervision import Context

FOUND = Series(
    name="turn.voice_to_voice_ms",
    labels={"source": "voice"},
    buckets=(Bucket(at="2026-11-21T12:00:00+00:00", count=2, mean=550, low=500, high=600, p50=550, p95=595),),
)


@asynccontextmanager
async def door(
    ctx: Context, answer: Callable[[QueryMetrics], Awaitable[tuple[Series, ...]]] | None
) -> AsyncIterator[httpx.AsyncClient]:
    app = application(House(ctx, RecentTurns(), set()))
    app.include_router(metrics.router)
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(QueryMetrics, answer))] if answer is not None else []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client
        for task in serving:
            task.cancel()


async def test_figures_of_a_name_over_some_hours(ctx: Context) -> None:
    asked: list[QueryMetrics] = []

    async def answer(question: QueryMetrics) -> tuple[Series, ...]:
        asked.append(question)
        return (FOUND,)

    async with door(ctx, answer) as client:
        response = await client.get("/api/metrics", params={"name": "turn.", "hours": "2.5"})
        await client.get("/api/metrics")
    assert response.json() == {"series": [FOUND.model_dump(mode="json")]}
    assert [(question.name, question.hours) for question in asked] == [("turn.", 2.5), ("", 24.0)]


async def test_a_database_that_is_away_is_503(bus: Bus, ctx: Context) -> None:
    async def answer(_: QueryMetrics) -> tuple[Series, ...]:
        raise DatabaseUnavailable("it is away")

    async with door(ctx, answer) as client:
        response = await client.get("/api/metrics")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "db.unavailable")
    async with door(ctx, None) as client:
        bus.forget(QueryMetrics)
        response = await client.get("/api/metrics")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "bus.no_handler")


@pytest.mark.parametrize("query", [{"hours": "0"}, {"hours": "x"}, {"hours": "1e9"}, {"name": "x" * 201}])
async def test_questions_out_of_range_are_refused(ctx: Context, query: dict[str, str]) -> None:
    async with door(ctx, None) as client:
        response = await client.get("/api/metrics", params=query)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "api.bad_request")
