"""A tap sees everything that travels, is bounded, and costs nobody anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from solo.bus import Bus, Event, Request, StreamRequest
from solo.bus.tap import CANCELLED, MOST_CALL_BYTES, Call, Published, Tap
from solo.errors import SoloError
from solo.supervision import Context

pytestmark = pytest.mark.virtual_time


class Rang(Event):
    number: int


class Add(Request[int]):
    number: int


class Count(StreamRequest[int]):
    to: int


class Odd(SoloError):
    """The number is odd."""

    code = "test.tap_odd"


async def add(question: Add) -> int:
    if question.number % 2:
        raise Odd()
    await asyncio.sleep(1.0)
    return question.number + 1


async def count(question: Count) -> AsyncGenerator[int, None]:
    for number in range(question.to):
        await asyncio.sleep(1.0)
        yield number


async def serve(ctx: Context) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(ctx.answer(Add, add)), asyncio.create_task(ctx.answer(Count, count))]
    await asyncio.sleep(0)
    return tasks


async def test_facts_and_who_told_them(bus: Bus, ctx: Context) -> None:
    with bus.tapped(10) as tap:
        ctx.publish(Rang(number=1))
        bus.publish(Rang(number=2))
        seen = await tap.some()
    assert [(one.event.number, one.by) for one in seen if isinstance(one, Published)] == [(1, "test"), (2, "?")]  # type: ignore[attr-defined]


async def test_questions_with_what_became_of_them(bus: Bus, ctx: Context) -> None:
    serving = await serve(ctx)
    with bus.tapped(10) as tap:
        begun = asyncio.get_running_loop().time()
        assert await ctx.request(Add(number=2), within=5) == 3
        with pytest.raises(Odd):
            await ctx.request(Add(number=3), within=5)
        async with ctx.stream(Count(to=3), within=5) as numbers:
            async for number in numbers:
                if number == 1:
                    break
        good, bad, left = [one for one in await tap.some() if isinstance(one, Call)]
    assert ([item.answer for item in good.items], good.ended, good.error) == ([3], begun + 1, None)
    assert isinstance(bad.error, Odd)
    assert ([item.answer for item in left.items], list(left.taken), left.error) == (
        [0, 1],
        [begun + 2, begun + 3],
        CANCELLED,
    )
    assert (good.by, good.of) == ("test", "test")
    for task in serving:
        task.cancel()


async def test_one_who_leaves(bus: Bus, ctx: Context) -> None:
    serving = await serve(ctx)
    with bus.tapped(10) as tap:
        asking = asyncio.create_task(ctx.request(Add(number=2), within=5))
        await asyncio.sleep(0.5)
        asking.cancel()
        await asyncio.wait([asking])
        (call,) = await tap.some()
    assert isinstance(call, Call)
    assert call.error == CANCELLED
    for task in serving:
        task.cancel()


async def test_the_oldest_go_and_are_counted(bus: Bus) -> None:
    with bus.tapped(3) as tap:
        for number in range(5):
            bus.publish(Rang(number=number))
        seen = await tap.some()
    assert [one.event.number for one in seen if isinstance(one, Published)] == [2, 3, 4]  # type: ignore[attr-defined]
    assert tap.dropped == 2


async def test_a_stream_that_goes_on_for_days_is_bounded() -> None:
    call = Tap(10).asked(Count(to=1), "asker", "answerer")
    for _ in range(20):
        call.answered(Rang(number=1).model_copy(update={"pcm": b"x" * 1_000_000}))
        call.took()
    assert call.size <= MOST_CALL_BYTES
    assert len(call.items) == len(call.taken) == 20 - call.forgotten
    assert call.forgotten > 0


async def test_there_is_one_tap_and_none_after_it(bus: Bus) -> None:
    with bus.tapped(1) as tap, pytest.raises(RuntimeError), bus.tapped(1):
        pass
    bus.publish(Rang(number=1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await tap.some()
