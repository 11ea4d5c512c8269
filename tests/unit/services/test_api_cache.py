"""The routes of the cache of answers: each is one question on the bus."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.api.routes import cache
from services.messages.responses import CacheState, ClearCache, DescribeCache
from solo.storage import DatabaseUnavailable
from solo.supervision import Context

STATE = CacheState(
    enabled=True, memory_entries=1, memory_bytes=500, memory_limit_bytes=1000, stored_entries=None, stored_bytes=None,
    stored_limit_bytes=2000, ttl_s=60.0, hits_memory=3, hits_stored=2, misses=1, shared=0, dropped=4,
)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", ("", "")), ("?model=tiny%20one", ("tiny one", "")), ("?profile=anna&model=m", ("m", "anna"))],
)
async def test_state_and_clearing(ctx: Context, query: str, expected: tuple[str, str]) -> None:
    cleared: list[tuple[str, str]] = []

    async def describe(_: DescribeCache) -> CacheState:
        return STATE

    async def clear(asked: ClearCache) -> int:
        if asked.model == "m":
            raise DatabaseUnavailable("away")
        cleared.append((asked.model, asked.profile))
        return 7

    app = application(House(ctx, RecentTurns(), set()))
    app.include_router(cache.router)
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(ctx.answer(DescribeCache, describe)),
            tasks.create_task(ctx.answer(ClearCache, clear)),
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            assert (await client.get("/api/llm/cache")).json() == STATE.model_dump(mode="json")
            answer = await client.delete(f"/api/llm/cache{query}")
            if expected[0] == "m":
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "db.unavailable")
            else:
                assert (answer.status_code, answer.json()) == (200, {"forgotten": 7})
                assert cleared == [expected]
        for task in serving:
            task.cancel()
