"""A house with real ears, mouths and a real conversation, whose engines are played; sound says what it means.

A sample's value is its meaning: 0 is silence, `SPEECH` and above is speech, `WAKE` is the wake word.
"""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from services.audio.spec import AudioSettings
from services.audio.spec import specs as audio_specs
from services.conversation.spec import ConversationSettings
from services.conversation.spec import specs as conversation_specs
from services.messages.audio import (
    Attach,
    PlaybackStopped,
    SoundCaptured,
    SoundEnded,
    SoundHeard,
    SoundOut,
    WakeWordHeard,
)
from services.messages.language import Complete, CompletionEnd, Prefill, Receipt, TextDelta
from services.messages.playback import PlaybackPaused, PlaybackResumed
from services.messages.speech import ScoreSpeech, SoundChunk, Synthesize, Transcribe, Transcript
from solo.bus import Bus, Event, Overflow
from solo.errors import SoloError
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import Context, ServiceSpec
from tests.stubs.services import answering, spec

RATE = 16_000
PIECE = RATE // 50
"""Samples of 20 ms."""
SPEECH = 1000
WAKE = 20_000
_WAKE = array.array("h", [WAKE]).tobytes()
ANSWER = "Sure, Paris is the capital of France. It lies on the Seine. It is old."
RECEIPT = Receipt(system=3, history=0, question=5, template=4, dropped_messages=0, cached=3)
OUT_RATE = 22_050


def sound(seconds: float, value: int) -> bytes:
    return array.array("h", [value]).tobytes() * int(seconds * RATE)


def ask(seconds: float = 1.0, *, wake: bool = True, gap_s: float = 0.3) -> bytes:
    """The wake word, a moment, a question, and silence until it is surely over."""
    front = sound(0.5, 0) + sound(0.4, WAKE) + sound(gap_s, 0) if wake else sound(0.3, 0)
    return front + sound(seconds, SPEECH) + sound(1.2, 0)


@dataclass
class Engines:
    """Everybody behind the conversation. Each `*_fails` is called at each step and may raise, or be slow."""

    transcript: str = "What is the capital of France?"
    answer: str = ANSWER
    stt_s: float = 0.15
    token_s: float = 0.03
    tts_s: float = 0.05
    stumbles: Callable[[str], Awaitable[None]] | None = None
    """Called with the engine's name at each of its steps."""
    asked: int = 0

    async def _step(self, engine: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.stumbles is not None:
            await self.stumbles(engine)

    async def score(self, question: ScoreSpeech) -> tuple[float, ...]:
        await self._step("vad", 0.001)
        samples = array.array("h", question.pcm)
        return tuple(
            0.95 if max(samples[at : at + 512]) >= SPEECH else 0.02 for at in range(0, len(samples) - 511, 512)
        )

    async def transcribe(self, question: Transcribe) -> Transcript:
        await self._step("stt", self.stt_s)
        return Transcript(text=self.transcript, language="en", engine="played stt")

    async def prefill(self, question: Prefill) -> int:
        await self._step("llm", 0.01)
        return 1

    async def complete(self, question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        self.asked += 1
        words = self.answer.removeprefix(question.prefix).split(" ")
        for number, word in enumerate(words):
            await self._step("llm", self.token_s)
            yield TextDelta(text=word if number == 0 else f" {word}")
        yield CompletionEnd(
            finish="stop", prompt_tokens=12, cached_tokens=3, completion_tokens=len(words), prefill_s=0.1, decode_s=0.5,
            receipt=RECEIPT, engine="played llm",
        )  # fmt: skip

    async def synthesize(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        """60 ms of sound a character, in pieces of half a second."""
        left = len(question.text) * 0.06
        while left > 0:
            await self._step("tts", self.tts_s)
            seconds = min(left, 0.5)
            yield SoundChunk(pcm=b"\1\0" * int(seconds * OUT_RATE), sample_rate=OUT_RATE, engine="played tts")
            left -= seconds

    def specs(self) -> list[ServiceSpec]:
        answers: dict[str, tuple[type[Any], Any]] = {
            "vad": (ScoreSpeech, self.score),
            "stt": (Transcribe, self.transcribe),
            "prefill": (Prefill, self.prefill),
            "llm": (Complete, self.complete),
            "tts": (Synthesize, self.synthesize),
        }
        return [
            *(spec(name, answering(kind, answer), answers=(kind,)) for name, (kind, answer) in answers.items()),
            spec("wake", _listen),
        ]


async def _listen(ctx: Context) -> None:
    """The wake word's end is where it is recognised."""
    last: dict[str, bool] = {}
    async with ctx.subscribe(SoundHeard, limit=10_000, overflow=Overflow.FAIL) as pieces:
        ctx.ready()
        async for piece in pieces:
            ended = _end_of_wake_word(piece.pcm, last.get(piece.source, False))
            if ended is not None:
                ctx.publish(WakeWordHeard(source=piece.source, word="okay_nabu", at=piece.start + ended))
            last[piece.source] = piece.pcm.endswith(_WAKE)


def _end_of_wake_word(pcm: bytes, begun: bool) -> int | None:
    """Its sample in this piece, in which or before which it began."""
    if not begun and _WAKE not in pcm:
        return None
    if pcm.endswith(_WAKE):
        return None
    return (pcm.rfind(_WAKE) + 2) // 2 if _WAKE in pcm else 0


def house(bus: Bus, engines: Engines, machine: MachineSettings, **audio: Any) -> list[ServiceSpec]:
    """Real audio and conversation."""
    database = Database(1)
    return [
        *engines.specs(),
        *audio_specs(AudioSettings(input="none", **audio), machine, database),
        *conversation_specs(ConversationSettings(), machine, database),
    ]


@dataclass
class Satellite:
    """A microphone and a loudspeaker: sends what it is told in real time, plays what comes at its pace."""

    bus: Bus
    source: str = "kitchen"
    wake: bool = True
    again: bool = False
    barge_in: bool = False
    played_s: float = 0.0
    room: str | None = None
    piece: int = PIECE
    """Samples of sound that are sent at a time."""
    profile: str = "owner"
    _held: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: set[str] = field(default_factory=set)
    _hear: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    def say(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), self.piece * 2):
            self._hear.put_nowait(pcm[at : at + self.piece * 2].ljust(self.piece * 2, b"\0"))

    async def heard_out(self) -> None:
        """Everything said so far was captured."""
        while not self._hear.empty():
            await asyncio.sleep(0.02)

    async def run(self) -> None:
        """Until it is cancelled: a device that goes."""
        self._held.set()
        attach = Attach(
            source=self.source, wake=self.wake, again=self.again, barge_in=self.barge_in, room=self.room,
            profile=self.profile,
        )  # fmt: skip
        async with self.bus.stream(attach, within=86_400.0, by="satellite") as sounds:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._capture())
                tasks.create_task(self._obey())
                async for piece in sounds:
                    await self._play(piece)
                raise asyncio.CancelledError

    async def _capture(self) -> None:
        loop = asyncio.get_running_loop()
        begin, number = loop.time(), 0
        while True:
            number += 1
            await asyncio.sleep(max(0.0, begin + number * self.piece / RATE - loop.time()))
            pcm = self._hear.get_nowait() if not self._hear.empty() else bytes(self.piece * 2)
            self.bus.publish(SoundCaptured(source=self.source, pcm=pcm), by="satellite")

    async def _play(self, piece: SoundOut) -> None:
        left = len(piece.pcm) / 2 / piece.sample_rate
        while left > 0 and (piece.turn_id or "") not in self._stopped:
            await self._held.wait()
            step = min(left, 0.1)
            await asyncio.sleep(step)
            self.played_s += step
            left -= step

    async def _obey(self) -> None:
        async with self.bus.subscribe(Event, limit=100_000, overflow=Overflow.DROP_OLDEST, owner="satellite") as facts:
            async for fact in facts:
                if getattr(fact, "source", None) != self.source:
                    continue
                if isinstance(fact, PlaybackStopped):
                    self._stopped.add(fact.stopped_turn or "")
                    self._held.set()
                elif isinstance(fact, PlaybackPaused):
                    self._held.clear()
                elif isinstance(fact, PlaybackResumed):
                    self._held.set()

    def end(self) -> None:
        self.bus.publish(SoundEnded(source=self.source), by="satellite")


async def until_gone(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, SoloError):
        await task
