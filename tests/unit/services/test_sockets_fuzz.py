"""Whatever comes in by a WebSocket, it is answered, refused by name or hung up on with a code; nothing crashes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from services.api.guard import Guard
from services.api.guards.limits import Rates
from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.audio import Attach, SoundOut, StopSound
from services.messages.conversation import AnswerPart, Ask, TurnSummary
from services.messages.playback import Playback, SetVolume
from solo.bus import Bus
from solo.supervision import Context
from tests.stubs.gate import CONNECT, HOST, Message, Registry, guarded, principal, scope_of

ROUNDS = int(os.environ.get("TEST_FUZZ_ROUNDS", "100"))
"""Lines for each door; `make fuzz` opens many more."""
TOGETHER = 10
WITHIN_S = 20.0
ANNA = principal("anna", user="u-anna")
BEARER = ("authorization", "Bearer anna")
MANY = 10**9
NORMAL = {1000, 1009, 4401}
"""Over; too big; not let in. 4404 and the like are for doors that are not there."""
RIGHT: dict[str, tuple[dict[str, Any], ...]] = {
    "/ws/chat": (
        {"type": "ask", "text": "What?", "talk": "family", "id": "7"},
        {"type": "cancel"},
        {"type": "resume", "session": "0a1b", "seq": 3},
        {"type": "pong", "seq": 1},
    ),
    "/ws/voice": (
        {"type": "start", "wake": False, "talk": "family", "text": "What?"},
        {"type": "end"},
        {"type": "start", "mode": "conversation", "manual": True},
        {"type": "start", "mode": "conversation", "barge_in": False},
        {"type": "press"},
        {"type": "release"},
        {"type": "interrupt"},
        {"type": "played", "turn": "t", "played_ms": 20},
        {"type": "text", "text": "What?"},
        {"type": "volume", "volume": 0.5},
    ),
    "auth": ({"type": "auth", "token": "nobody"}, {"type": "auth", "ticket": "ticket_1"}),
}
KINDS = {
    "/ws/chat": {"ready", "started", "delta", "turn", "error", "ping"},
    "/ws/voice": {
        "ready",
        "listening",
        "started",
        "heard",
        "delta",
        "sound",
        "stop",
        "volume",
        "turn",
        "error",
    },
    "auth": set[str](),
}
TEXTS = (
    "",
    "\x00",
    "\ud800",
    "🦊" * 50,
    "é" * 101,
    "x" * 16_001,
    "x" * 200_000,
    "ask",
    "auth",
    "type",
    "NaN",
    "👨‍👩‍👧",
)
NUMBERS = (0, -1, 2**53, 2**53 + 1, 2**64, 10**400, 1e308, -0.0, 1.5, float("nan"), float("inf"))
RAW = (
    "", " ", "null", "[]", "0", '"', "{", '{"type":', '{"type":"ask"}{"type":"ask"}', "\ufeff{}", "[" * 50_000,
    '{"a":' * 20_000, "[" * 20_000 + "]" * 20_000, '{"type":"ask","text":"\\ud800"}', '{"type":"ask","\\udfff":1}',
    '{"type":"start","text":"\\ud800"}', '{"type":"auth","token":"\\ud800"}', '{"type":"auth","token":"\\u0000"}',
    "9" * 10_000, '{"type":"pong","seq":1e999}', '{"type":"ask","type":"cancel"}', '{"type" : "end"}', "x" * 300_000,
)  # fmt: skip
LAST = {"type": "ask", "text": "Still there?", "id": "last"}


def anything(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(7 if depth < 4 else 4)
    if kind == 0:
        return dice.choice(TEXTS)
    if kind == 1:
        return dice.choice(NUMBERS)
    if kind < 4:
        return dice.choice((None, True, False))
    if kind == 4:
        return [anything(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(TEXTS)[:2000]: anything(dice, depth + 1) for _ in range(dice.randrange(4))}


def message(dice: random.Random, door: str) -> Message:
    """One of the right ones, spoiled; or nothing of the kind."""
    kind = dice.randrange(10)
    if kind == 0:
        return {"type": "websocket.receive", "bytes": dice.randbytes(dice.choice((0, 1, 2, 640, 70_000, 1_100_000)))}
    if kind == 1:
        return {"type": "websocket.receive", "text": dice.choice(RAW)}
    if kind == 2:
        return {"type": "websocket.receive", "text": json.dumps(anything(dice))}
    said = dict(dice.choice(RIGHT[door]))
    for _ in range(dice.randrange(3)):
        name = dice.choice([*said, "more"]) if said else "more"
        if dice.random() < 0.3:
            said.pop(name, None)
        else:
            said[name] = anything(dice)
    text = json.dumps(said)
    if dice.random() < 0.2:  # half of it; a server puts the fragments of a frame together, so this is all there is
        text = text[: dice.randrange(len(text))]
    if dice.random() < 0.1:
        return {"type": "websocket.receive", "bytes": text.encode(), "text": None}
    return {"type": "websocket.receive", "text": text}


class Line:
    """One WebSocket, from the side of the server."""

    def __init__(self, guard: Guard, door: str) -> None:
        self.inbound: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self._news = asyncio.Event()
        self.inbound.put_nowait(CONNECT)
        path, headers = ("/ws/chat", [HOST]) if door == "auth" else (door, [HOST, BEARER])
        # What httptools and websockets add, and the application reads.
        scope = {
            **scope_of(headers, kind="websocket", path=path), "asgi": {"version": "3.0"}, "scheme": "ws",
            "raw_path": path.encode(), "root_path": "", "server": ("127.0.0.1", 8700), "state": {},
        }  # fmt: skip
        self.task = asyncio.create_task(guard(scope, self.inbound.get, self._send))

    async def _send(self, sent: Any) -> None:
        if "text" in sent:
            sent["text"].encode()  # as the server does
        self.sent.append(dict(sent))
        self._news.set()

    @property
    def code(self) -> int | None:
        """With which it was closed."""
        return next((sent["code"] for sent in self.sent if sent["type"] == "websocket.close"), None)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(sent["text"]) for sent in self.sent if sent.get("text") is not None]

    async def until_answered(self, tag: str) -> None:
        """Or closed."""
        while self.code is None and not self.task.done():
            if any(said.get("id") == tag and said["type"] in {"turn", "error"} for said in self.told()):
                return
            self._news.clear()
            await self._news.wait()

    async def over(self) -> None:
        self.inbound.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(WITHIN_S):
            await self.task


@pytest.fixture
async def guard(bus: Bus, ctx: Context) -> AsyncIterator[Guard]:
    async def ask(question: Ask) -> AsyncGenerator[AnswerPart, None]:
        yield AnswerPart(delta="Paris")
        yield AnswerPart(
            summary=TurnSummary(
                turn_id=question.turn_id or "", at="2026-01-01T00:00:00+00:00", source="text", talk=question.talk,
                profile=question.profile, heard=question.text, said="Paris", outcome="answered",
            )
        )  # fmt: skip

    async def attach(_: Attach) -> AsyncGenerator[SoundOut, None]:
        await asyncio.Event().wait()
        yield SoundOut(pcm=b"", sample_rate=22_050, turn_id="t", last=True)

    async def stop(question: StopSound) -> Playback:
        return Playback(source=question.source, state="silent")

    async def set_volume(question: SetVolume) -> float:
        return question.volume or 0.0

    app = application(House(ctx, RecentTurns(), set()))
    rates = Rates(cheap=MANY, usual=MANY, costly=MANY, login=MANY, failures=MANY)
    made = guarded(app, registry=Registry({"anna": ANNA}), table=app.state.table, rates=rates)
    async with asyncio.TaskGroup() as tasks:
        played: tuple[tuple[Any, Any], ...] = (
            (Ask, ask),
            (Attach, attach),
            (StopSound, stop),
            (SetVolume, set_volume),
        )
        serving = [tasks.create_task(ctx.answer(kind, answer)) for kind, answer in played]
        await asyncio.sleep(0)
        yield made
        for task in serving:
            task.cancel()


async def one(guard: Guard, door: str, seed: int) -> None:
    dice = random.Random(f"{door} {seed}")
    line = Line(guard, door)
    for _ in range(dice.randint(1, 1 if door == "auth" else 4)):
        line.inbound.put_nowait(message(dice, door))
    if door == "/ws/chat":
        line.inbound.put_nowait({"type": "websocket.receive", "text": json.dumps(LAST)})
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                await line.until_answered("last")
        answered = any(said.get("id") == "last" for said in line.told())
        assert answered or line.code in NORMAL, "what came before has made it deaf"
    if door == "auth":
        async with asyncio.timeout(WITHIN_S):
            await line.task
        assert line.code == 4401
    await line.over()
    for said in line.told():
        assert said["type"] in KINDS[door]
        if said["type"] == "error":
            assert said["error"]["code"].partition(".")[0] == "api", said
            assert "crashed" not in said["error"]["message"], said
            assert len(said["error"]["message"]) < 1000
    assert line.code is None or line.code in NORMAL, line.code


@pytest.mark.parametrize("door", RIGHT)
async def test_nothing_crashes_it(guard: Guard, door: str, caplog: pytest.LogCaptureFixture) -> None:
    for first in range(0, ROUNDS, TOGETHER):
        async with asyncio.TaskGroup() as tasks:
            for seed in range(first, min(first + TOGETHER, ROUNDS)):
                tasks.create_task(one(guard, door, seed), name=f"{door} {seed}")
    gc.collect()  # asyncio logs what a task raised that nobody waited for
    assert [record.message for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
