"""What an engine in a child process costs: start, round trip, streamed items."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from solo.isolation.process import EngineProcess, EngineSpec

_ROOT = str(Path(__file__).parents[2])
SPEC = EngineSpec("tests.stubs.engines:Echo", python_path=(_ROOT,))


async def _measure() -> dict[str, Any]:
    starts: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        async with EngineProcess(SPEC).running():
            starts.append(time.perf_counter() - began)
    async with EngineProcess(SPEC).running() as engine:
        small = [await _round_trip(engine, b"") for _ in range(2000)]
        sound = [await _round_trip(engine, bytes(64_000)) for _ in range(500)]
        began = time.perf_counter()
        async with engine.stream("count", within=5, to=20_000) as numbers:
            count = 0
            async for _ in numbers:
                count += 1
        rate = count / (time.perf_counter() - began)
    return {
        "start of an empty child, median ms": round(statistics.median(starts) * 1000),
        "round trip, median us": round(statistics.median(small) * 1e6),
        "round trip with 2 s of sound, median us": round(statistics.median(sound) * 1e6),
        "streamed items per second": round(rate),
    }


async def _round_trip(engine: EngineProcess, value: bytes) -> float:
    began = time.perf_counter()
    await engine.call("echo", within=5, value=value)
    return time.perf_counter() - began


def measure() -> dict[str, Any]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure())
