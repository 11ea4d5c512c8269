"""The Wyoming service with everybody it asks played, and clients of the wyoming package for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from wyoming.client import AsyncTcpClient
from wyoming.event import Event, Eventable

from services.messages.audio import SAMPLE_RATE, SoundHeard, WakeWordHeard
from services.messages.audit import RecordAudit
from services.messages.codec import ConvertSound
from services.messages.conversation import AnswerPart, Ask, TurnSummary
from services.messages.speech import (
    DescribeTranscriber,
    ListVoices,
    SoundChunk,
    Synthesize,
    Transcribe,
    Transcriber,
    Transcript,
    Voice,
)
from services.wyoming.door import Peers, open_door
from services.wyoming.satellites.keeping import Known
from services.wyoming.service import Plan, WyomingService
from solo.bus import Bus, Overflow
from solo.supervision import Context, ServiceSpec
from tests.stubs.services import House, spec, supervised

RATE = 22_050
WORD = b"wake up!"
"""A sound that holds this holds the wake word."""


@dataclass
class Engines:
    """`hold`: while it is unset, engines answer nothing."""

    text: str = "What is the capital of France?"
    answer: Sequence[str] = ("Paris", ", I", " think.")
    outcome: Any = "answered"
    asks: bool = True
    """They play the conversation too."""
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    transcribed: list[Transcribe] = field(default_factory=list)
    spoken: list[Synthesize] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    converted: list[ConvertSound] = field(default_factory=list)
    audited: list[RecordAudit] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)
    working: int = 0
    """Questions under way."""
    left: int = 0
    """Questions whose asker has left."""

    def __post_init__(self) -> None:
        self.hold.set()

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        self.working += 1
        try:
            await self.hold.wait()
            yield
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.working -= 1

    async def transcribe(self, question: Transcribe) -> Transcript:
        self.transcribed.append(question)
        async with self._at_work():
            return Transcript(text=self.text, language=question.language or "en", engine="stub")

    async def synthesize(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        self.spoken.append(question)
        async with self._at_work():
            for _ in range(2):
                yield SoundChunk(pcm=bytes(2 * RATE // 10), sample_rate=RATE, engine="stub")

    async def ask(self, question: Ask) -> AsyncGenerator[AnswerPart, None]:
        self.asked.append(question)
        async with self._at_work():
            for delta in self.answer:
                yield AnswerPart(delta=delta)
            yield AnswerPart(
                summary=TurnSummary(
                    turn_id="t", at="", source="text", talk=question.talk, heard=question.text,
                    said="".join(self.answer), outcome=self.outcome,
                )
            )  # fmt: skip

    async def convert(self, question: ConvertSound) -> bytes:
        self.converted.append(question)
        return bytes(len(question.pcm) // (question.width * question.channels) * SAMPLE_RATE // question.rate * 2)

    async def describe(self, _: DescribeTranscriber) -> Transcriber:
        return Transcriber(name="tiny.en", engine="stub", multilingual=False)

    async def voices(self, _: ListVoices) -> tuple[Voice, ...]:
        return tuple(Voice(name=name, engine="stub", sample_rate=RATE) for name in ("en_US-joe", "de_DE-eva"))

    async def audit(self, question: RecordAudit) -> None:
        self.audited.append(question)

    async def listen(self, ctx: Context) -> None:
        """The wake service."""
        async with ctx.subscribe(SoundHeard, limit=100_000, overflow=Overflow.FAIL) as sounds:
            ctx.ready()
            async for sound in sounds:
                self.heard[sound.source] = self.heard.get(sound.source, 0) + len(sound.pcm) // 2
                if WORD in sound.pcm:
                    at = sound.start + sound.pcm.index(WORD) // 2
                    ctx.publish(WakeWordHeard(source=sound.source, word="okay_nabu", at=at))

    def specs(self) -> list[ServiceSpec]:
        answers: dict[type[Any], Callable[[Any], Any]] = {
            Transcribe: self.transcribe,
            Synthesize: self.synthesize,
            Ask: self.ask,
            ConvertSound: self.convert,
            DescribeTranscriber: self.describe,
            ListVoices: self.voices,
            RecordAudit: self.audit,
        }

        if not self.asks:
            del answers[Ask]

        def answering(kind: type[Any], answer: Callable[[Any], Any]) -> ServiceSpec:
            async def run(ctx: Context) -> None:
                ctx.ready()
                await ctx.answer(kind, answer)

            return spec(kind.__name__, run, answers=(kind,))

        return [*(answering(kind, answer) for kind, answer in answers.items()), spec("wake", self.listen)]


@dataclass
class Open:
    """The service, open."""

    house: House
    engines: Engines
    service: WyomingService
    port: int

    def client(self) -> AsyncTcpClient:
        return AsyncTcpClient("127.0.0.1", self.port, connect_timeout=5, read_timeout=20)

    def figures(self) -> dict[str, Any]:
        state = self.service._state()
        return state.info


@asynccontextmanager
async def opened(
    bus: Bus,
    engines: Engines | None = None,
    *more: ServiceSpec,
    satellites: tuple[Known, ...] = (),
    listen: str = "127.0.0.1:0",
) -> AsyncIterator[Open]:
    engines = engines or Engines()
    peers = Peers(())
    door = open_door(listen, peers)
    made: list[WyomingService] = []

    def make() -> WyomingService:
        made.append(WyomingService(Plan(door, peers, satellites, seed=1)))
        return made[-1]

    wyoming = ServiceSpec(name="wyoming", make=make)
    with door:
        async with supervised(bus, *engines.specs(), *more, wyoming) as house:
            while not made:
                await asyncio.sleep(0)
            yield Open(house, engines, made[-1], door.getsockname()[1])


async def say(client: AsyncTcpClient, *events: Eventable) -> None:
    for event in events:
        await client.write_event(event.event())


async def until(client: AsyncTcpClient, *types: str) -> list[Event]:
    """All events up to the first of one of these types."""
    got: list[Event] = []
    while not got or got[-1].type not in types:
        event = await client.read_event()
        assert event is not None, f"the connection ended behind {[each.type for each in got]}"
        got.append(event)
    return got


async def settles(condition: Callable[[], bool], within: float = 10.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)
