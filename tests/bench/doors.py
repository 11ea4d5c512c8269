"""The doors under load: what a request costs, a thousand idle sockets, limits, a flood of passwords."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.llm import Peer, ask
from tests.daemon import Daemon, daemon

REQUESTS = 1000
IDLE_SOCKETS = 1000
HEALTH_FOR_S = 20.0
HEALTH_EVERY_S = 0.05
GUESSES = 1000
NAMES = 500
GUESS_FOR_S = 60.0
PASSWORD = "correct horse battery staple"


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def _timed(client: httpx.AsyncClient, path: str, key: str, times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        (await client.get(path, headers=_headers(key))).raise_for_status()
        took.append(time.perf_counter() - began)
    return sorted(took)


def _ms(sorted_s: list[float], share: float) -> float:
    return round(sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * share))] * 1000, 2)


async def _new_key(client: httpx.AsyncClient, owner: str) -> str:
    body = {"name": f"bench-{secrets.token_hex(4)}", "role": "admin"}
    made = await client.post("/api/keys", json=body, headers=_headers(owner))
    made.raise_for_status()
    return str(made.json()["secret"])


async def _cost(client: httpx.AsyncClient, running: Daemon, key: str) -> dict[str, Any]:
    """Of a request that asks nobody behind the door, with a key that is looked up."""
    process = psutil.Process(running.pid)
    await _timed(client, "/openapi.json", key, 3)
    table: dict[str, Any] = {}
    for path in ("/api/auth/me", "/api/chats", "/status"):
        await _timed(client, path, key, 20)
        before = sum(process.cpu_times()[:2])
        took = await _timed(client, path, key, REQUESTS)
        spent = (sum(process.cpu_times()[:2]) - before) / REQUESTS
        table[f"GET {path}: median, p99 ms; daemon's CPU, ms"] = (
            f"{_ms(took, 0.5)}, {_ms(took, 0.99)}; {spent * 1000:.2f}"
        )
    return table


async def _idle_sockets(client: httpx.AsyncClient, running: Daemon, key: str) -> dict[str, Any]:
    process = psutil.Process(running.pid)
    alone = await _timed(client, "/api/auth/me", key, REQUESTS)
    before = process.memory_info().rss
    sockets: list[ClientConnection] = []
    try:
        address, headers = f"ws://127.0.0.1:{running.port}/ws/chat", _headers(running.key)
        while len(sockets) < IDLE_SOCKETS:
            sockets += await asyncio.gather(
                *(connect(address, additional_headers=headers, proxy=None) for _ in range(50))
            )
        beside = await _timed(client, "/api/auth/me", key, REQUESTS)
        each = (process.memory_info().rss - before) / IDLE_SOCKETS
        return {
            f"p95 alone, beside {IDLE_SOCKETS} idle WebSockets, ms": f"{_ms(alone, 0.95)}, {_ms(beside, 0.95)}",
            "memory of an idle WebSocket, KiB": round(each / 1024, 1),
        }
    finally:
        await asyncio.gather(*(one.close() for one in sockets), return_exceptions=True)


async def _health(client: httpx.AsyncClient, running: Daemon) -> dict[str, Any]:
    """Asked at fixed times, whatever became of the last one, while four answers keep both cores busy."""
    peer = Peer("Solo", f"http://127.0.0.1:{running.port}/v1", running.key)
    over = asyncio.Event()

    async def busy(number: int) -> None:
        while not over.is_set():
            await ask(client, peer, f"Tell me a long story about the number {number}.", 128)

    async def look(at: float) -> float:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        (await client.get("/healthz")).raise_for_status()
        return time.perf_counter() - at

    generating = [asyncio.create_task(busy(number)) for number in range(4)]
    await asyncio.sleep(1)
    begin = time.perf_counter()
    count = int(HEALTH_FOR_S / HEALTH_EVERY_S)
    took = sorted(await asyncio.gather(*(look(begin + at * HEALTH_EVERY_S) for at in range(count))))
    over.set()
    await asyncio.gather(*generating)
    return {
        f"/healthz while four streams generate, {count} looks: median, p99, worst ms": (
            f"{_ms(took, 0.5)}, {_ms(took, 0.99)}, {_ms(took, 1)}"
        )
    }


async def _over_limit(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    refused = []
    for _ in range(20 * REQUESTS):
        began = time.perf_counter()
        answer = await client.get("/api/chats", headers=_headers(key))
        if answer.status_code == 429:
            refused.append(time.perf_counter() - began)
        if len(refused) >= 200:
            break
    return {
        "over the limit: refusals, median, p99 ms": (
            f"{len(refused)}, {_ms(sorted(refused), 0.5)}, {_ms(sorted(refused), 0.99)}" if refused else "none came"
        )
    }


async def _guesses(client: httpx.AsyncClient, running: Daemon) -> dict[str, Any]:
    """Wrong passwords at an even pace for a minute, then the owner of the name with the right one, from elsewhere."""
    made = await client.post("/api/users", json={"name": "anna", "password": PASSWORD}, headers=_headers(running.key))
    made.raise_for_status()
    codes: Counter[str] = Counter()
    slow = []

    async def guess(at: float, number: int) -> None:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        began = time.perf_counter()
        answer = await client.post("/api/auth/login", json={"name": "anna", "password": f"a wrong password {number}"})
        slow.append(time.perf_counter() - began)
        codes[answer.json()["error"]["code"]] += 1

    begin = time.perf_counter()
    await asyncio.gather(*(guess(begin + at * GUESS_FOR_S / GUESSES, at) for at in range(GUESSES)))
    elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx.AsyncClient(base_url=str(client.base_url), transport=elsewhere, trust_env=False) as other:
        let_in = (await other.post("/api/auth/login", json={"name": "anna", "password": PASSWORD})).status_code
    return {
        f"{GUESSES} wrong passwords in {GUESS_FOR_S:.0f} s, by answer": dict(codes),
        "of these evaluated": codes["security.bad_login"],
        "the right one then, from another address": let_in,
    }


async def _known_and_unknown(client: httpx.AsyncClient, running: Daemon) -> dict[str, Any]:
    """Refusals of a wrong password for a name that exists and for one that does not, in turn, each from elsewhere."""
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(NAMES):
        body = {"name": f"known{number}", "password": PASSWORD}
        (await client.post("/api/users", json=body, headers=_headers(running.key))).raise_for_status()
    for number in range(NAMES):
        for kind in sorted(times, reverse=number % 2 == 0):
            transport = httpx.AsyncHTTPTransport(local_address=f"127.0.{number // 200 + 1}.{number % 200 + 1}")
            async with httpx.AsyncClient(base_url=str(client.base_url), transport=transport, trust_env=False) as one:
                login = {"name": f"{kind}{number}", "password": "not the right one"}
                began = time.perf_counter()
                answer = await one.post("/api/auth/login", json=login)
                times[kind].append(time.perf_counter() - began)
                assert answer.json()["error"]["code"] == "security.bad_login", answer.text
    known, unknown = (statistics.median(times[kind]) * 1000 for kind in ("known", "unknown"))
    return {
        f"a refusal of a known name, of an unknown one, {NAMES} each, median ms": f"{known:.1f}, {unknown:.1f}",
        "difference of the medians, % (5); p of the Mann-Whitney test (above 0.01)": (
            f"{abs(known / unknown - 1) * 100:.1f}; {_mann_whitney(times['known'], times['unknown']):.2f}"
        ),
    }


def _mann_whitney(one: list[float], other: list[float]) -> float:
    """How probable a rank sum this uneven is if both are alike: two-sided, by the normal approximation, without ties
    (Mann and Whitney, 1947)."""
    ordered = sorted(other)
    u = sum(bisect_left(ordered, value) for value in one)
    n, m = len(one), len(other)
    deviation = (u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * (1 - statistics.NormalDist().cdf(abs(deviation)))


async def _measure(real: Daemon, fake: Daemon) -> dict[str, Any]:
    table: dict[str, Any] = {}
    async with _client(real) as client:
        table |= await _health(client, real)
    async with _client(fake) as client:
        key = await _new_key(client, fake.key)
        table |= await _cost(client, fake, fake.key)
        table |= await _idle_sockets(client, fake, fake.key)
        table |= await _known_and_unknown(client, fake)
        table |= await _guesses(client, fake)
        table |= await _over_limit(client, key)
    return table


def _client(running: Daemon) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", timeout=120, trust_env=False)


def measure() -> dict[str, Any]:
    fakes = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}
    with tempfile.TemporaryDirectory() as folder:
        with daemon(Path(folder) / "real", LLM__THREADS="2") as real, daemon(Path(folder) / "fake", **fakes) as fake:
            return asyncio.run(_measure(real, fake))
