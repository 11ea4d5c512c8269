"""A realtime session without engines: a house that hears, thinks and speaks as it is told, and a client of it."""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai.types.beta.realtime import RealtimeServerEvent as OldServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.codec.adapters.fake import FakeCodec
from services.messages.codec import ResampleSound
from services.messages.language import Complete, CompletionEnd, Prefill, Receipt, TextDelta, ToolCall
from services.messages.security import OWNER_PRINCIPAL, Principal
from services.messages.speech import (
    ListVoices,
    ScoreSpeech,
    SoundChunk,
    Synthesize,
    Transcribe,
    Transcript,
    Voice,
)
from solo.isolation.call import Call
from solo.supervision import Context
from tests.stubs.callers import as_caller

WITHIN_S = 30.0
RATE = 24_000
VOICE_RATE = 22_050
WORD_S = 0.25
"""Seconds of sound for a word."""
EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
OLD_EVENT: TypeAdapter[Any] = TypeAdapter(OldServerEvent)
_RESAMPLED = {"session", "pcm", "form", "rate", "to_form", "to_rate", "first", "last"}


def loud(seconds: float, rate: int = RATE) -> bytes:
    """Taken for speech here."""
    return array("h", (8000 if at // 20 % 2 else -8000 for at in range(round(seconds * rate)))).tobytes()


def quiet(seconds: float, rate: int = RATE) -> bytes:
    return bytes(2 * round(seconds * rate))


@dataclass
class Engines:
    """What they answer, and what they were asked."""

    heard: list[str | Exception] = field(default_factory=lambda: ["What is the capital of France?"])
    """One after the other; the last one again and again."""
    said: list[str | Exception] = field(default_factory=lambda: ["Paris is", " the capital", " of France."])
    calls: tuple[ToolCall, ...] = ()
    finish: Any = "stop"
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: the model waits after its first piece."""
    stt_delay_s: float = 0.05
    asked: list[Complete] = field(default_factory=list)
    transcribed: list[Transcribe] = field(default_factory=list)
    spoken: list[Synthesize] = field(default_factory=list)
    read: list[Prefill] = field(default_factory=list)
    voice_fails: list[Exception] = field(default_factory=list)
    codec: FakeCodec = field(default_factory=FakeCodec)
    pieces: int = 0
    """That were taken from the model."""

    def __post_init__(self) -> None:
        self.go_on.set()

    async def score(self, question: ScoreSpeech) -> tuple[float, ...]:
        chunks = [array("h", question.pcm[at : at + 1024]) for at in range(0, len(question.pcm), 1024)]
        return tuple(0.9 if max(map(abs, chunk)) > 1000 else 0.1 for chunk in chunks)

    async def transcribe(self, question: Transcribe) -> Transcript:
        self.transcribed.append(question)
        await asyncio.sleep(self.stt_delay_s)
        text = self.heard.pop(0) if len(self.heard) > 1 else self.heard[0]
        if isinstance(text, Exception):
            raise text
        return Transcript(text=text, language="en", engine="stub")

    async def complete(self, question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        self.asked.append(question)
        for at, piece in enumerate(list(self.said)):
            if isinstance(piece, Exception):
                self.said = self.said[at + 1 :]
                raise piece
            yield TextDelta(text=piece)
            self.pieces += 1
            if at == 0:
                await self.go_on.wait()
        receipt = Receipt(system=1, history=0, question=1, template=1, dropped_messages=0, cached=3)
        yield CompletionEnd(
            finish=self.finish, prompt_tokens=10, cached_tokens=3, completion_tokens=5, prefill_s=0.01, decode_s=0.1,
            tool_calls=self.calls, receipt=receipt, engine="stub", model="stub",
        )  # fmt: skip

    async def synthesize(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        self.spoken.append(question)
        half = bytes(2 * round(len(question.text.split()) * WORD_S * VOICE_RATE / 2))
        yield SoundChunk(pcm=half, sample_rate=VOICE_RATE, engine="stub")
        if self.voice_fails:
            raise self.voice_fails.pop(0)
        yield SoundChunk(pcm=half, sample_rate=VOICE_RATE, engine="stub")

    async def resample(self, question: ResampleSound) -> bytes:
        return self.codec.resample(Call(), **question.model_dump(include=_RESAMPLED))

    async def prefill(self, question: Prefill) -> int:
        self.read.append(question)
        return 1

    async def voices(self, _: ListVoices) -> tuple[Voice, ...]:
        return (Voice(name="en_US-joe-medium", engine="stub", sample_rate=VOICE_RATE),)


@asynccontextmanager
async def serving(ctx: Context) -> AsyncIterator[Engines]:
    engines = Engines()
    answers: list[tuple[Any, Any]] = [
        (ScoreSpeech, engines.score), (Transcribe, engines.transcribe), (Complete, engines.complete),
        (Synthesize, engines.synthesize), (ResampleSound, engines.resample), (Prefill, engines.prefill),
        (ListVoices, engines.voices),
    ]  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        under_way = [tasks.create_task(ctx.answer(kind, handler)) for kind, handler in answers]
        await asyncio.sleep(0)
        yield engines
        for task in under_way:
            task.cancel()


class Client:
    """The server's side of one WebSocket; everything that it is told fits OpenAI's types."""

    def __init__(self, *, old: bool = False) -> None:
        self.inbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.told: list[dict[str, Any]] = []
        self.times: dict[str, float] = {}
        """When each event was sent, by its id."""
        self.accepted: dict[str, Any] = {}
        self._kinds = OLD_EVENT if old else EVENT
        self.task: asyncio.Future[None] | None = None

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        await self.outbound.put({**message, "at": asyncio.get_running_loop().time()})

    async def say(self, kind: str, **more: Any) -> None:
        await self.raw(json.dumps({"type": kind, **more}))

    async def raw(self, text: str) -> None:
        await self.inbound.put({"type": "websocket.receive", "text": text})

    async def hear(self, pcm: bytes, piece_s: float = 0.1, size: int = 2, rate: int = RATE) -> None:
        """Sound, as it would come from a microphone."""
        step = round(rate * piece_s) * size
        for at in range(0, len(pcm), step):
            await self.say("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + step]).decode())
            await asyncio.sleep(piece_s)

    async def next(self) -> dict[str, Any]:
        """The end as `{"type": "closed", "code": ...}`."""
        async with asyncio.timeout(WITHIN_S):
            message = await self.outbound.get()
        if message["type"] == "websocket.close":
            return {"type": "closed", "code": message["code"]}
        event: dict[str, Any] = json.loads(message["text"])
        self._kinds.validate_python(event)
        self.told.append(event)
        self.times[event["event_id"]] = message["at"]
        return event

    async def until(self, *kinds: str) -> list[dict[str, Any]]:
        """Everything up to the first of these, which is the last."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["type"] not in kinds:
            event = await self.next()
            assert event["type"] != "closed" or "closed" in kinds, (event, found)
            found.append(event)
        return found

    async def error(self) -> dict[str, Any]:
        error: dict[str, Any] = (await self.until("error"))[-1]["error"]
        return error

    async def update(self, **session: Any) -> dict[str, Any]:
        await self.say("session.update", session={"type": "realtime", **session})
        updated: dict[str, Any] = (await self.until("session.updated", "error"))[-1]
        assert updated["type"] == "session.updated", updated
        return dict(updated["session"])

    async def write(self, text: str, **more: Any) -> None:
        content = [{"type": "input_text", "text": text}]
        await self.say("conversation.item.create", item={"type": "message", "role": "user", "content": content, **more})
        await self.until("conversation.item.done", "conversation.item.created")

    async def leave(self) -> None:
        await self.inbound.put({"type": "websocket.disconnect", "code": 1001})
        assert self.task is not None
        async with asyncio.timeout(WITHIN_S):
            await self.task


@dataclass
class Door:
    """The application, and whom it lets in."""

    app: Any
    sessions: set[object]
    recent: RecentTurns

    @classmethod
    def to(cls, ctx: Context) -> Door:
        recent, sessions = RecentTurns(), set[object]()
        return cls(application(House(ctx, recent, sessions)), sessions, recent)

    @asynccontextmanager
    async def connected(
        self, query: str = "model=gpt-realtime", *, who: Principal = OWNER_PRINCIPAL, old: bool = False,
        headers: tuple[tuple[str, str], ...] = (), subprotocols: tuple[str, ...] = (),
    ) -> AsyncIterator[Client]:  # fmt: skip
        client = Client(old=old)
        more = (*headers, *((("openai-beta", "realtime=v1"),) if old else ()))
        scope = {
            "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": "/v1/realtime",
            "raw_path": b"/v1/realtime", "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in more], "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8700), "subprotocols": list(subprotocols), "state": {},
        }  # fmt: skip
        client.task = asyncio.ensure_future(as_caller(self.app, who)(scope, client.inbound.get, client.send))
        await client.inbound.put({"type": "websocket.connect"})
        async with asyncio.timeout(WITHIN_S):
            client.accepted = await client.outbound.get()
        try:
            yield client
        finally:
            client.reads.set()
            await client.leave()
            assert self.sessions == set()


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Their types, each run of one kind once."""
    found: list[str] = []
    for event in events:
        if not found or found[-1] != event["type"]:
            found.append(event["type"])
    return found
