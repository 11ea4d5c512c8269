"""The bus: typed events to two subscribers, request and reply, exact drop counts."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from solo.bus import Bus, Event, Overflow, Request

EVENTS = 100_000
ROUNDS = 5


class Ticked(Event):
    number: int


class Double(Request[int]):
    number: int


async def _events() -> float:
    """Events a second, made, published and received by both."""
    bus = Bus()
    received = [0, 0]

    async def listen(which: int, ready: asyncio.Event) -> None:
        async with bus.subscribe(Ticked, limit=EVENTS, overflow=Overflow.FAIL, owner=str(which)) as box:
            ready.set()
            async for _ in box:
                received[which] += 1
                if received[which] == EVENTS:
                    return

    listening = [asyncio.Event(), asyncio.Event()]
    async with asyncio.TaskGroup() as tasks:
        for which, ready in enumerate(listening):
            tasks.create_task(listen(which, ready))
        for ready in listening:
            await ready.wait()
        began = time.perf_counter()
        for number in range(EVENTS):
            bus.publish(Ticked(number=number))
            if number % 500 == 499:
                await asyncio.sleep(0)
    return EVENTS / (time.perf_counter() - began)


async def _request() -> list[float]:
    """Seconds of each request with its reply."""
    bus = Bus()

    async def answer(question: Double) -> int:
        return question.number * 2

    took = []
    async with asyncio.TaskGroup() as tasks:
        with bus.serve(Double, answer, owner="bench", tasks=tasks, limit=64):
            for number in range(5000):
                began = time.perf_counter()
                assert await bus.request(Double(number=number), within=1) == number * 2
                took.append(time.perf_counter() - began)
    return took


async def _burst() -> tuple[int, int]:
    """Drops counted, drops that happened, when 100 000 events meet a mailbox of 1 000."""
    bus = Bus()
    async with bus.subscribe(Ticked, limit=1000, overflow=Overflow.DROP_OLDEST, owner="slow") as box:
        for number in range(EVENTS):
            bus.publish(Ticked(number=number))
        counted = box.dropped
        box.close()
        kept = [event.number async for event in box]
    assert kept == list(range(EVENTS - 1000, EVENTS))
    return counted, EVENTS - len(kept)


def measure() -> dict[str, Any]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rates = [runner.run(_events()) for _ in range(ROUNDS)]
        times = sorted(runner.run(_request()))
        counted, dropped = runner.run(_burst())
    return {
        "events per second to two subscribers, median": round(statistics.median(rates)),
        "events per second, worst of 5": round(min(rates)),
        "request and reply, median us": round(statistics.median(times) * 1e6, 1),
        "request and reply, p99 us": round(times[int(len(times) * 0.99)] * 1e6, 1),
        "burst of 100 000: drops counted / happened": f"{counted} / {dropped}",
    }
