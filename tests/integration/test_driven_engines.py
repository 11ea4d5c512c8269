"""Engines that batch, in a real child: many calls at once, each with its own room, its own end and its own errors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from solo.bus import DeadlineExceeded
from solo.isolation.engine import BadEngineInput, EngineDied, EngineError
from solo.isolation.process import EngineProcess, EngineSpec

pytestmark = [pytest.mark.daemon_loop, pytest.mark.skipif(sys.platform != "linux", reason="children are confined")]

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 10.0


@asynccontextmanager
async def running() -> AsyncIterator[EngineProcess]:
    spec = EngineSpec(adapter="tests.stubs.engines:Batched", python_path=(str(ROOT),))
    async with EngineProcess(spec).running() as engine:
        yield engine


async def numbers(engine: EngineProcess, most: int, ahead: int = 32) -> list[int]:
    async with engine.stream("count", within=WITHIN, ahead=ahead, most=most) as items:
        return [item async for item in items]


async def test_many_calls_at_once() -> None:
    async with running() as engine:
        answers = await asyncio.gather(*(numbers(engine, 50 + number) for number in range(12)))
        assert answers == [list(range(50 + number)) for number in range(12)]


async def test_calls_share_steps() -> None:
    async with running() as engine:
        await asyncio.gather(*(numbers(engine, 3000, ahead=3000) for _ in range(4)))
        assert await engine.call("steps", within=WITHIN) < 2 * 3000


async def test_an_asker_that_takes_nothing_stops_only_its_own_call() -> None:
    async with running() as engine:
        async with engine.stream("count", within=WITHIN, ahead=2, most=100) as slow:
            assert await anext(slow) == 0
            assert await numbers(engine, 80) == list(range(80))
            before = await engine.call("steps", within=WITHIN)
            assert await engine.call("steps", within=WITHIN) <= before + 3, "it went on without room"
            assert [item async for item in slow] == list(range(1, 100))


async def test_leaving_ends_one_call() -> None:
    async with running() as engine:
        for _ in range(20):
            async with engine.stream("count", within=WITHIN, most=1_000_000) as items:
                await anext(items)
        assert await numbers(engine, 30) == list(range(30))
        assert not engine._settling, "a call that was left has not ended"
        assert engine.state().info["cancelled"] == 20
        assert 0 <= engine.state().info["cancel_ms"] <= engine.state().info["cancel_ms_worst"]


async def test_errors_are_answers() -> None:
    async with running() as engine:
        with pytest.raises(BadEngineInput, match="no"):
            await engine.call("refuse", within=WITHIN)
        with pytest.raises(EngineError, match="boom"):
            await engine.call("boom", within=WITHIN)
        assert await numbers(engine, 3) == [0, 1, 2]


async def test_a_deadline_ends_the_waiting_and_the_work() -> None:
    async with running() as engine:
        with pytest.raises(DeadlineExceeded):
            # Without room for an item: a call that wants one answer and gets none.
            await engine.call("count", within=0.3, most=1_000_000)
        assert await numbers(engine, 3) == [0, 1, 2]


async def test_a_death_is_everybodys_answer() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running() as engine, asyncio.TaskGroup() as tasks:
            tasks.create_task(numbers(engine, 1_000_000))
            tasks.create_task(numbers(engine, 1_000_000))
            await asyncio.sleep(0)
            tasks.create_task(engine.call("die", within=WITHIN))
    assert caught.group_contains(EngineDied)
