"""Clients of /ws/chat who are told a lot and read nothing: what each costs, and what the others notice."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any

import psutil
import uvicorn
import uvloop
from websockets.asyncio.client import connect

from services.api.door import open_door
from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.conversation import AnswerPart, Ask, TurnSummary
from services.messages.security import OWNER_PRINCIPAL
from solo.bus import Bus
from solo.supervision import Context

STALLED = 50
OTHERS = 500
ROUNDS = 11
"""Alone and beside in turn: the machine is not the same from one second to the next."""
_PIECES = 20_000
_PIECE = 1000
"""Characters; together many times what the buffers of a connection hold."""
_SETTLED_AFTER_S = 3.0
"""Without growth: every buffer is full then, and whoever fills them waits."""
_SETTLES_WITHIN_S = 120.0
_SILENT = """
import os, socket, sys, time
held = []
for _ in range(int(sys.argv[2])):
    one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    one.sendall(b"GET /ws/chat HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
    said = b""
    while b"\\r\\n\\r\\n" not in said:
        said += one.recv(100)
    question = b'{"type":"ask","text":"flood"}'
    one.sendall(bytes((0x81, 0x80 | len(question))) + bytes(4) + question)
    held.append(one)
time.sleep(600)
"""
"""A process of its own: its buffers are not the daemon's."""


@dataclass(frozen=True, slots=True)
class Round:
    """Times are (median, p95) in milliseconds."""

    alone: tuple[float, float]
    flooding: tuple[float, float]
    beside: tuple[float, float]
    alone_again: tuple[float, float]
    rss: float
    """MiB for each stalled one, of the daemon."""
    buffers: float
    """MiB for each stalled one, of the kernel."""


async def _answer(asked: Ask) -> AsyncGenerator[AnswerPart, None]:
    for number in range(_PIECES if asked.text == "flood" else 4):
        yield AnswerPart(delta=f"{number:06}" + (os.urandom(_PIECE // 2).hex() if asked.text == "flood" else ""))
    summary = TurnSummary(
        turn_id=asked.turn_id or "turn",
        at="2026-01-01T00:00:00+00:00",
        source="text",
        talk="t",
        heard="",
        said="",
        outcome="answered",
    )
    yield AnswerPart(summary=summary)


async def _ask(url: str) -> float:
    async with connect(url, proxy=None) as line:
        began = time.perf_counter()
        await line.send(json.dumps({"type": "ask", "text": "hello"}))
        while json.loads(await line.recv())["type"] != "turn":
            pass
        return time.perf_counter() - began


def _each_its_own(app: Any) -> Any:
    """Everybody is somebody else: one caller alone may not have so many lines."""
    numbers = itertools.count()

    async def called(scope: Any, receive: Any, send: Any) -> None:
        scope["principal"] = OWNER_PRINCIPAL.model_copy(update={"id": str(next(numbers))})
        await app(scope, receive, send)

    return called


def _kernel_bytes() -> int:
    """Of all TCP buffers of the machine (proc(5): sockstat, pages)."""
    with open("/proc/net/sockstat") as file:
        line = next(line for line in file if line.startswith("TCP:"))
    return int(line.split()[-1]) * 4096


async def _settled() -> None:
    """Waits until neither the daemon nor the kernel keeps any more for them."""
    began = time.perf_counter()
    most, since = 0, began
    while (now := time.perf_counter()) - since < _SETTLED_AFTER_S and now - began < _SETTLES_WITHIN_S:
        kept = _kernel_bytes() + psutil.Process().memory_info().rss
        if kept > most + 2**18:
            most, since = kept, now
        await asyncio.sleep(0.1)


async def _round() -> Round:
    """With a server of its own: a session whose client is gone waits for it for a minute."""
    bus = Bus()
    ctx = Context(bus, "bench", on_state=lambda *_: None)
    app = _each_its_own(application(House(ctx, RecentTurns(), set())))
    door = open_door(0)
    port = door.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio"))
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[door]))
        answering = tasks.create_task(ctx.answer(Ask, _answer, limit=1000))
        while not server.started:
            await asyncio.sleep(0.01)
        alone = await _asked(port)
        before, kernel = psutil.Process().memory_info().rss, _kernel_bytes()
        silent = await asyncio.create_subprocess_exec(sys.executable, "-c", _SILENT, str(port), str(STALLED))
        flooding = await _asked(port)
        await _settled()
        rss = (psutil.Process().memory_info().rss - before) / STALLED / 2**20
        buffers = (_kernel_bytes() - kernel) / STALLED / 2**20
        beside = await _asked(port)
        silent.kill()
        await silent.wait()
        alone_again = await _asked(port)
        server.should_exit = True
        await serving
        answering.cancel()
    return Round(alone, flooding, beside, alone_again, rss, buffers)


async def _asked(port: int) -> tuple[float, float]:
    url = f"ws://127.0.0.1:{port}/ws/chat"
    took = sorted([await _ask(url) for _ in range(OTHERS)])
    return took[OTHERS // 2] * 1000, took[int(OTHERS * 0.95)] * 1000


def _table(rounds: list[Round]) -> dict[str, Any]:
    def middle(times: Iterable[tuple[float, float]]) -> str:
        medians, p95s = zip(*times, strict=True)
        return f"{statistics.median(medians):.2f}, {statistics.median(p95s):.2f}"

    ratios = [one.beside[1] * 2 / (one.alone[1] + one.alone_again[1]) for one in rounds]
    return {
        f"{STALLED} stalled WebSockets, each: daemon's memory in the first round, kernel's buffers, MiB": (
            f"{rounds[0].rss:.2f}, {max(one.buffers for one in rounds):.2f}"
        ),
        f"a short answer for others, {len(rounds)} rounds of {OTHERS}, medians: alone: median, p95 ms": (
            middle(one.alone for one in rounds)
        ),
        "... while the buffers of the silent are being filled": middle(one.flooding for one in rounds),
        "... beside the stalled ones": middle(one.beside for one in rounds),
        "... alone again": middle(one.alone_again for one in rounds),
        "beside the stalled ones / alone, p95: median, least, most (1.1)": (
            f"{statistics.median(ratios):.2f}, {min(ratios):.2f}, {max(ratios):.2f}"
        ),
    }


def measure() -> dict[str, Any]:
    return _table([uvloop.run(_round()) for _ in range(ROUNDS)])
