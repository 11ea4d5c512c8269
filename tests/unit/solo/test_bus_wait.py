"""The wait for the next item: woken, too late, cancelled; and items that are taken together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from solo.bus import Bus, DeadlineExceeded, StreamRequest
from solo.bus.context import until
from solo.bus.wait import Wait
from solo.supervision import Context


class Count(StreamRequest[int]):
    """So many numbers, with so many seconds before each."""

    to: int
    pause_s: float = 0.0


async def _count(question: Count) -> AsyncGenerator[int, None]:
    for number in range(question.to):
        await asyncio.sleep(question.pause_s)
        yield number


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


@pytest.mark.virtual_time
class TestWait:
    async def test_woken(self) -> None:
        wait = Wait()
        for _ in range(3):
            asyncio.get_running_loop().call_later(1, wait.wake)
            began = _in(0)
            await wait.until(_in(5))
            assert _in(0) - began == pytest.approx(1)
        wait.close()

    async def test_too_late(self) -> None:
        wait = Wait()
        began = _in(0)
        with pytest.raises(TimeoutError):
            await wait.until(_in(5))
        assert _in(0) - began == pytest.approx(5)

    async def test_each_time_has_its_own_deadline(self) -> None:
        """Later ones, which the timer of the first does not know of, and earlier ones."""
        wait = Wait()
        for at_most in (5, 100):
            asyncio.get_running_loop().call_later(1, wait.wake)
            await wait.until(_in(at_most))
        for seconds in (0.5, 20, 7):
            began = _in(0)
            with pytest.raises(TimeoutError):
                await wait.until(_in(seconds))
            assert _in(0) - began == pytest.approx(seconds)

    async def test_cancelled(self) -> None:
        wait = Wait()
        waiting = asyncio.create_task(wait.until(_in(5)))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        wait.wake()
        asyncio.get_running_loop().call_later(1, wait.wake)
        await wait.until(_in(5))
        wait.close()

    async def test_nobody_waits(self) -> None:
        wait = Wait()
        wait.wake()
        wait.close()
        with pytest.raises(TimeoutError):
            await wait.until(_in(1))


@pytest.mark.virtual_time
class TestStream:
    async def test_what_has_come_is_taken_together(self, bus: Bus, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(ctx.answer(Count, _count))
            await asyncio.sleep(0)
            async with bus.stream(Count(to=100), within=5, ahead=8) as numbers:
                found = []
                lots = []
                async for number in numbers:
                    lot = [number, *numbers.waiting()]
                    assert numbers.waiting() == []
                    lots.append(len(lot))
                    found += lot
                    await asyncio.sleep(1)
            serving.cancel()
        assert found == list(range(100))
        assert max(lots) == 8

    async def test_every_part_has_its_time(self, bus: Bus, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(ctx.answer(Count, _count))
            await asyncio.sleep(0)
            async with bus.stream(Count(to=5, pause_s=4), within=5) as numbers:
                assert [number async for number in numbers] == list(range(5))
            async with bus.stream(Count(to=5, pause_s=6), within=5) as numbers:
                with pytest.raises(DeadlineExceeded):
                    await anext(numbers)
            async with bus.stream(Count(to=5, pause_s=4), within=5) as numbers:
                await anext(numbers)
                with pytest.raises(DeadlineExceeded):
                    async with until(_in(3), "less"):
                        await anext(numbers)
            serving.cancel()
