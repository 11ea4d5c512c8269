"""Askers that leave in mid-answer, 500 times: how soon the model stops for them, and that nobody else notices."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.llm import Peer, ask
from tests.daemon import Daemon, daemon

CYCLES = 500
NEIGHBOURS = tuple(f"Tell me something about the number {number}." for number in range(4))
LONG = "rain " * 1500
NOTICED_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05
"""Looking more often would take the cores from what is measured."""


async def _leave(
    client: httpx.AsyncClient, peer: Peer, running: Daemon, way: int, rng: random.Random
) -> tuple[float, float]:
    """Ask, leave after a random while, wait until the engine says that it has stopped: seconds from the closed socket
    to when that is seen in `/status`, and those from the cancellation in the daemon to the engine's word."""
    before = (await _engine(client, running)).get("cancelled", 0)
    long = way % 3 == 2
    body = {
        "model": "default",
        "stream": way % 2 == 0,
        "temperature": 0,
        "max_tokens": 400,
        "messages": [{"role": "user", "content": f"{rng.random()} {LONG if long else 'Tell me a very long story.'}"}],
        "solo": {"cached": False},
    }
    headers = {"Authorization": f"Bearer {peer.key}"}
    asking = asyncio.create_task(client.post(f"{peer.url}/chat/completions", json=body, headers=headers))
    # Long enough to be with the model, in the prompt (the long ones) or in the answer.
    await asyncio.sleep(rng.uniform(0.03, 0.3))
    left = time.perf_counter()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    while (info := await _engine(client, running)).get("cancelled", 0) == before:
        assert time.perf_counter() - left < NOTICED_WITHIN_S, "the model goes on for nobody"
        await asyncio.sleep(LOOK_EVERY_S)
    return time.perf_counter() - left, info["cancel_ms"] / 1000


async def _engine(client: httpx.AsyncClient, running: Daemon) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {running.key}"}
    status = (await client.get(f"http://127.0.0.1:{running.port}/status", headers=headers)).json()
    info: dict[str, Any] = next(one for one in status["services"] if one["name"] == "llm")["engine"]["info"]
    return info


async def _measure(running: Daemon) -> dict[str, Any]:
    peer = Peer("Solo", f"http://127.0.0.1:{running.port}/v1", running.key)
    rng = random.Random(4)
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        undisturbed = [(await ask(client, peer, question)).text for question in NEIGHBOURS]
        first = await ask(client, peer, NEIGHBOURS[0])
        step = 1 / first.rate
        disturbed = []
        over = asyncio.Event()

        async def neighbour() -> None:
            at = 0
            while not over.is_set():
                said = (await ask(client, peer, NEIGHBOURS[at % len(NEIGHBOURS)])).text
                disturbed.append(said == undisturbed[at % len(NEIGHBOURS)])
                at += 1

        beside = asyncio.create_task(neighbour())
        took = [await _leave(client, peer, running, way, rng) for way in range(CYCLES)]
        over.set()
        await beside
    seen, freed = (sorted(column) for column in zip(*took, strict=True))
    return {
        "askers that left (streams and not, in the prompt and in the answer)": CYCLES,
        "a token of one stream, ms": round(step * 1000, 1),
        f"from the closed socket until /status tells of it ({LOOK_EVERY_S * 1000:.0f} ms between looks), median, p99, "
        "worst ms": _three(seen),
        "from the cancellation to the free slot, median, p99, worst ms": _three(freed),
        "of these within a step of two streams + 50 ms": sum(one <= 2 * step + 0.05 for one in freed),
        "neighbour's answers equal to undisturbed ones": f"{sum(disturbed)} of {len(disturbed)}",
    }


def _three(seconds: list[float]) -> str:
    figures = (statistics.median(seconds), seconds[int(len(seconds) * 0.99)], seconds[-1])
    return ", ".join(f"{figure * 1000:.1f}" for figure in figures)


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder) / "state", LLM__THREADS="2") as running:
        return asyncio.run(_measure(running))
