"""A client of the WebSocket doors, spoken to as a server would, and a stage that plays ears, mouth and conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.audio import Attach, PlaybackStopped, SoundOut, StopSound
from services.messages.conversation import AnswerPart, Ask, TurnFinished, TurnSummary
from services.messages.invariants import CancelTurn
from services.messages.playback import Playback, SetVolume, VolumeChanged
from solo.bus import Bus
from solo.supervision import Context
from tests.stubs.callers import as_owner

WITHIN_S = 5.0
RATE = 22_050


class Client:
    """The server's side of one WebSocket: what the client sends goes in, what the application sends comes out."""

    def __init__(self) -> None:
        self.inbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task: asyncio.Future[None] | None = None

    async def send(self, message: Any) -> None:
        await self.outbound.put(message)

    async def text(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        await self.inbound.put({"type": "websocket.receive", "text": text})

    async def sound(self, pcm: bytes) -> None:
        await self.inbound.put({"type": "websocket.receive", "bytes": pcm})

    async def leave(self) -> None:
        await self.inbound.put({"type": "websocket.disconnect", "code": 1001})

    async def next(self) -> Any:
        """JSON as an object, sound as bytes, the end as None."""
        async with asyncio.timeout(WITHIN_S):
            message = await self.outbound.get()
        if message["type"] == "websocket.close":
            return None
        return message["bytes"] if message.get("bytes") is not None else json.loads(message["text"])

    async def rest(self) -> list[Any]:
        found = []
        while (message := await self.next()) is not None:
            found.append(message)
        return found

    async def over(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(WITHIN_S):
            await self.task


@asynccontextmanager
async def connected(ctx: Context, path: str) -> AsyncIterator[Client]:
    client = Client()
    sessions: set[object] = set()
    recent = RecentTurns()
    following = asyncio.create_task(recent.follow(ctx))
    app = as_owner(application(House(ctx, recent, sessions)))
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8700),
        "subprotocols": [],
        "state": {},
    }
    client.task = asyncio.ensure_future(app(scope, client.inbound.get, client.send))
    await client.inbound.put({"type": "websocket.connect"})
    async with asyncio.timeout(WITHIN_S):
        assert (await client.outbound.get())["type"] == "websocket.accept"
    try:
        yield client
    finally:
        await client.leave()
        async with asyncio.timeout(WITHIN_S):
            await asyncio.wait([client.task])
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert sessions == set()


class Stage:
    """Plays the ears, the mouth and the conversation."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.attached: asyncio.Queue[Attach] = asyncio.Queue()
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self.sounds: asyncio.Queue[SoundOut] = asyncio.Queue()
        self.asked: list[Ask] = []
        self.error: Exception | None = None
        self.hold = False
        """Answers do not end by themselves."""
        self.cancelled: list[str] = []
        self.silenced: list[StopSound] = []
        self.volumes: list[float | None] = []

    async def cancel(self, question: CancelTurn) -> bool:
        self.cancelled.append(question.cancelled_turn)
        return True

    async def stop(self, question: StopSound) -> Playback:
        self.silenced.append(question)
        self.bus.publish(PlaybackStopped(source=question.source, stopped_turn=question.turn_id))
        return Playback(source=question.source, state="silent")

    async def set_volume(self, question: SetVolume) -> float:
        self.volumes.append(question.volume)
        self.bus.publish(VolumeChanged(source=question.source, volume=question.volume or 0.0))
        return question.volume or 0.0

    async def attach(self, question: Attach) -> AsyncGenerator[SoundOut, None]:
        if self.error is not None:
            raise self.error
        await self.attached.put(question)
        try:
            while True:
                yield await self.sounds.get()
        finally:
            await self.closed.put(question.source)

    async def ask(self, question: Ask) -> AsyncGenerator[AnswerPart, None]:
        self.asked.append(question)
        yield AnswerPart(delta="Paris")
        if self.hold:
            try:
                await asyncio.Event().wait()
            finally:
                told = summary("text", turn_id=question.turn_id, outcome="cancelled", audio_s=0.0)
                self.bus.publish(TurnFinished(source="text", summary=told))
        await self.say(b"\1\0" * 10)
        await self.say(b"", last=True)
        yield AnswerPart(summary=summary(question.speak_to or "text"))

    async def say(self, pcm: bytes, *, last: bool = False, turn: str = "t") -> None:
        await self.sounds.put(SoundOut(pcm=pcm, sample_rate=RATE, turn_id=turn, last=last))


def summary(source: str, **more: Any) -> TurnSummary:
    known: dict[str, Any] = {"outcome": "answered", "audio_s": 1.0}
    known |= {"turn_id": "t", "at": "now", "source": source, "talk": "default", "heard": "What?", "said": "Paris"}
    return TurnSummary(**{**known, **more})


@asynccontextmanager
async def staged(bus: Bus, ctx: Context) -> AsyncIterator[Stage]:
    """A stage that plays."""
    stage = Stage(bus)
    parts: tuple[tuple[Any, Any], ...] = (
        (Attach, stage.attach),
        (Ask, stage.ask),
        (StopSound, stage.stop),
        (CancelTurn, stage.cancel),
        (SetVolume, stage.set_volume),
    )
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, answer)) for kind, answer in parts]
        await asyncio.sleep(0)
        yield stage
        for task in serving:
            task.cancel()
