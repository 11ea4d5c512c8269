"""What Solo adds between an engine that costs nothing and a caller of /v1: processor time a token, first tokens."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench.relay_engine import WORD_S
from tests.daemon import Daemon, daemon

STREAMS = 32
_ENGINE = "tests.bench.relay_engine"
_FOR_S = 15.0
_IDLE_S = 5.0
_BURSTS = 8
_SHORT, _LONG = 20, 320
"""Tokens of answers whose difference tells what a token takes, without what a request takes."""


class _Caller(asyncio.Protocol):
    """One streamed answer on a connection of its own."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.asked = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tail = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self, request: bytes) -> None:
        self.asked = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.first is None and b'"content":"word' in data:
            self.first = time.perf_counter()
        if b"data: [DONE]" in self._tail + data and not self.done.done():
            self.done.set_result(None)
        self._tail = data[-16:]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the answer broke off: {self._tail!r}"))

    def close(self) -> None:
        self._transport.close()

    @property
    def added_ms(self) -> float:
        """Milliseconds to the first token beyond the engine's own."""
        assert self.first is not None
        return (self.first - self.asked - WORD_S) * 1000


class _Bench:
    def __init__(self, running: Daemon) -> None:
        self._port = running.port
        self._key = running.key
        self._process = psutil.Process(running.pid)

    async def connect(self) -> _Caller:
        _, caller = await asyncio.get_running_loop().create_connection(_Caller, "127.0.0.1", self._port)
        return caller

    def request(self, tokens: int) -> bytes:
        question = {"role": "user", "content": "Tell me about the sea."}
        body = json.dumps({"messages": [question], "stream": True, "max_tokens": tokens}).encode()
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            f"host: 127.0.0.1:{self._port}",
            f"authorization: Bearer {self._key}",
            "content-type: application/json",
            f"content-length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def together(self, count: int, tokens: int) -> list[_Caller]:
        """So many at the same instant."""
        callers = [await self.connect() for _ in range(count)]
        await asyncio.sleep(0.1)
        request = self.request(tokens)
        for caller in callers:
            caller.ask(request)
        await asyncio.gather(*(caller.done for caller in callers))
        for caller in callers:
            caller.close()
        return callers

    async def cost(self, tokens: int, idle: float) -> float:
        """The daemon's CPU seconds for one answer of so many tokens, `STREAMS` of them at once, several times."""
        before, began = self.cpu_s(), time.perf_counter()
        for _ in range(_BURSTS):
            await self.together(STREAMS, tokens)
        return (self.cpu_s() - before - idle * (time.perf_counter() - began)) / _BURSTS / STREAMS

    async def steady(self) -> tuple[list[float], int]:
        """Always `STREAMS` under way, one beginning when another has ended: first tokens, and tokens in all."""
        end = time.perf_counter() + _FOR_S
        added: list[float] = []
        tokens = 0

        async def one_after_the_other() -> None:
            nonlocal tokens
            await asyncio.sleep(random.random())
            while time.perf_counter() < end:
                caller = await self.connect()
                length = random.randint(60, 140)
                caller.ask(self.request(length))
                await caller.done
                caller.close()
                added.append(caller.added_ms)
                tokens += length

        await asyncio.gather(*(one_after_the_other() for _ in range(STREAMS)))
        return added, tokens

    def cpu_s(self) -> float:
        used = self._process.cpu_times()
        return used.user + used.system


async def _paced(running: Daemon) -> dict[str, Any]:
    bench = _Bench(running)
    await bench.together(STREAMS, 20)  # everything imported, every pool filled
    before = bench.cpu_s()
    await asyncio.sleep(_IDLE_S)
    idle = (bench.cpu_s() - before) / _IDLE_S
    short, long = [await bench.cost(length, idle) for length in (_SHORT, _LONG)]
    token = (long - short) / (_LONG - _SHORT)
    alone = [(await bench.together(1, 2))[0].added_ms for _ in range(40)]
    bursts = [caller.added_ms for _ in range(_BURSTS) for caller in await bench.together(STREAMS, 10)]
    began = time.perf_counter()
    added, tokens = await bench.steady()
    took = time.perf_counter() - began
    return {
        "daemon's CPU a token, us": round(token * 1e6),
        "daemon's CPU a request besides, us": round((short - _SHORT * token) * 1e6),
        f"{STREAMS} streams of {1 / WORD_S:.0f} tokens/s together, tokens/s": round(tokens / took),
        "first token, added: one stream alone, median ms": round(statistics.median(alone), 1),
        f"... beginning beside {STREAMS - 1} others, median (p95) ms": _median_and_p95(added),
        f"... all {STREAMS} in the same instant, median (p95) ms": _median_and_p95(bursts),
    }


async def _hasty(running: Daemon) -> dict[str, Any]:
    bench = _Bench(running)
    await bench.together(STREAMS, 300)
    rates = []
    before, tokens = bench.cpu_s(), 0
    for _ in range(5):
        began = time.perf_counter()
        await bench.together(STREAMS, 300)
        rates.append(STREAMS * 300 / (time.perf_counter() - began - 0.1))
        tokens += STREAMS * 300
    return {
        "an engine that does not wait, tokens/s": round(statistics.median(rates)),
        "... daemon's CPU a token, us": round((bench.cpu_s() - before) / tokens * 1e6),
    }


def _median_and_p95(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({statistics.quantiles(values, n=20)[-1]:.1f})"


def measure() -> dict[str, Any]:
    import uvloop

    figures: dict[str, Any] = {}
    for engine, work in (("paced", _paced), ("hasty", _hasty)):
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            slots = str(STREAMS)
            with daemon(state, program=(_ENGINE, engine), LLM__ENGINE="fake", LLM__SLOTS=slots) as running:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    figures |= runner.run(work(running))
    return figures
