"""A day of sound without a wake word through the wake service and its child: false wakes, and memory that grows."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from typing import Any

import psutil

from services.messages.audio import SoundHeard, WakeWordHeard
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from services.stt.service import STTService
from services.wake import service
from services.wake.service import WakeService
from solo.bus import Bus, Overflow
from solo.isolation.process import EngineSpec
from solo.supervision import Context
from tests.bench.sounds import day

HOURS = float(os.environ.get("TEST_BENCH_HOURS", "24"))
"""Of sound."""
SAMPLES = 2560
"""160 ms, as an ear hands it over."""
_BATCH = 25
_LOOKS = 120
_MIB = 2**20


def measure() -> dict[str, Any]:
    return asyncio.run(_measure())


async def _measure() -> dict[str, Any]:
    bus = Bus()
    service.VERIFY_WITHIN_S = 60.0  # the day is fed as fast as it is taken, so recognition is late: its verdict counts
    heard: dict[Any, int] = dict.fromkeys((WakeWordHeard, WakeWordConfirmed, WakeWordRejected), 0)
    memory: list[tuple[float, float, float]] = []
    wake = Context(bus, "wake", on_state=lambda _state, _note: None)
    recognition = Context(bus, "stt", on_state=lambda _state, _note: None)
    stt = EngineSpec("services.stt.adapters.moonshine.adapter:Moonshine", {"threads": 1})
    begin = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        work = [
            tasks.create_task(WakeService(EngineSpec("services.wake.adapters.microwakeword:MicroWakeWord")).run(wake)),
            tasks.create_task(STTService(stt).run(recognition)),
            tasks.create_task(_count(bus, heard)),
        ]
        while wake.engine() is None or not wake.engine().pid:  # type: ignore[union-attr]  # just asked
            await asyncio.sleep(0.05)
        done = 0.0
        due = 0.0
        for stretch in day(HOURS * 3600):
            await _feed(bus, stretch, round(done * 16_000))
            done += len(stretch) / 2 / 16_000
            if done >= due:
                due += HOURS * 3600 / _LOOKS
                state = wake.engine()
                child = psutil.Process(state.pid).memory_info().rss if state and state.pid else 0
                memory.append((done / 3600, psutil.Process().memory_info().rss / _MIB, child / _MIB))
        await asyncio.sleep(3)  # the last look at a word
        for task in work:
            task.cancel()
    taken = time.monotonic() - begin
    settled = memory[len(memory) // 5 :]
    return {
        "hours of sound": round(done / 3600, 2),
        "seconds that took": round(taken, 1),
        "false wakes an hour, bare": round(heard[WakeWordHeard] * 3600 / done, 3),
        "false wakes an hour, after the second look": round(heard[WakeWordConfirmed] * 3600 / done, 3),
        "rejected": heard[WakeWordRejected],
        "service (this process), MiB an hour": round(_slope([(at, own) for at, own, _ in settled]), 3),
        "child, MiB an hour": round(_slope([(at, child) for at, _, child in settled]), 3),
        "child at the end, MiB": round(memory[-1][2], 1),
        "dropped": bus.statistics().dropped,
    }


async def _feed(bus: Bus, stretch: bytes, start: int) -> None:
    """As fast as it is taken: the mailbox is never full."""
    for number, at in enumerate(range(0, len(stretch), SAMPLES * 2)):
        bus.publish(SoundHeard(source="room", pcm=stretch[at : at + SAMPLES * 2], start=start + at // 2))
        if number % _BATCH == _BATCH - 1:
            await _taken(bus)
    await _taken(bus)


async def _taken(bus: Bus) -> None:
    while any(box.waiting for box in bus.statistics().mailboxes if box.kind == "SoundHeard"):
        await asyncio.sleep(0.002)


async def _count(bus: Bus, heard: dict[Any, int]) -> None:
    kinds = tuple(heard)
    async with asyncio.TaskGroup() as tasks:
        for kind in kinds:
            tasks.create_task(_count_one(bus, kind, heard))


async def _count_one(bus: Bus, kind: Any, heard: dict[Any, int]) -> None:
    async with bus.subscribe(kind, limit=1000, overflow=Overflow.FAIL, owner="bench") as facts:
        async for _ in facts:
            heard[kind] += 1


def _slope(points: list[tuple[float, float]]) -> float:
    """Theil-Sen: the median of all slopes, which single peaks do not move."""
    slopes = [(b - y) / (a - x) for number, (x, y) in enumerate(points) for a, b in points[number + 1 :] if a > x]
    return statistics.median(slopes) if slopes else 0.0
