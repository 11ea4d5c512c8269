"""Everybody that a turn asks, played: engines, loudspeaker, memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from services.conversation.talks import Talks
from services.conversation.thinking import TurnPolicy
from services.conversation.turn import Turn
from services.messages.audio import PlaySound, StopSound
from services.messages.chats import Exchange, LoadTalk, StoreExchange
from services.messages.conversation import TurnFinished, TurnSummary
from services.messages.language import Complete, CompletionEnd, Prefill, Receipt, TextDelta
from services.messages.memory import Recall, Recollection
from services.messages.playback import Playback
from services.messages.speech import SoundChunk, Synthesize, Transcribe, Transcript
from solo.bus import Bus, Event, Overflow
from solo.supervision import Context, ServiceSpec
from tests.stubs.services import House, spec, supervised

POLICY = TurnPolicy(system_prompt="Be brief.", max_tokens=99, temperature=0.0, top_p=1.0)
ANSWER = "Sure, Paris is the capital of France. It lies on the Seine. It is old."
RECEIPT = Receipt(system=3, history=0, question=5, template=4, dropped_messages=0, cached=3)
RATE = 22_050
PIECE_S = 0.1
"""Virtual seconds that a token or a piece of sound takes."""


def ended(dropped: int) -> CompletionEnd:
    return CompletionEnd(
        finish="stop",
        prompt_tokens=12,
        cached_tokens=3,
        completion_tokens=20,
        prefill_s=0.1,
        decode_s=0.5,
        receipt=RECEIPT.model_copy(update={"dropped_messages": dropped}),
        engine="fake llm",
    )


def words(text: str) -> list[str]:
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]


@dataclass
class Cast:
    """Plays the engines and the loudspeaker. `*_fails` are called before each token or piece: they may raise."""

    bus: Bus
    transcript: str = "What is the capital of France?"
    transcript_s: float = 0.2
    llm_fails: Callable[[int, int], None] = lambda attempt, token: None
    tts_fails: Callable[[str, int, int], None] = lambda clause, attempt, piece: None
    stt_fails: Callable[[int], None] = lambda attempt: None
    summarises: Callable[[Complete], Awaitable[str]] | None = None
    dropped: Callable[[Complete], int] = lambda question: 0
    """Messages of the history that the model has no room for."""
    asked: list[Complete] = field(default_factory=list)
    asked_to_summarise: list[Complete] = field(default_factory=list)
    prefilled: list[Prefill] = field(default_factory=list)
    transcribed: list[bytes] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    played: list[PlaySound] = field(default_factory=list)
    stopped: list[StopSound] = field(default_factory=list)
    heard_s: float = 0.0
    """Seconds of an answer that were heard when it is stopped."""
    remembers: Callable[[Recall], Awaitable[Recollection]] | None = None
    before: tuple[Exchange, ...] = ()
    store_fails: Exception | None = None
    recalled: list[Recall] = field(default_factory=list)
    stored: list[Exchange] = field(default_factory=list)
    facts: list[Event] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def transcribe(self, question: Transcribe) -> Transcript:
        self.transcribed.append(question.pcm)
        self.stt_fails(len(self.transcribed))
        await asyncio.sleep(self.transcript_s)
        return Transcript(text=self.transcript, language="en", engine="fake stt")

    async def complete(self, question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        if question.task == "summary":
            assert self.summarises is not None
            self.asked_to_summarise.append(question)
            yield TextDelta(text=await self.summarises(question))
            yield ended(0)
            return
        self.asked.append(question)
        attempt = len(self.asked)
        assert ANSWER.startswith(question.prefix)
        for number, word in enumerate(words(ANSWER.removeprefix(question.prefix))):
            self.llm_fails(attempt, number)
            await asyncio.sleep(PIECE_S)
            yield TextDelta(text=word)
        yield ended(self.dropped(question))

    async def prefill(self, question: Prefill) -> int:
        self.prefilled.append(question)
        return 1

    async def synthesize(self, question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
        """Three pieces a clause; each names its clause, so that what was heard can be read back."""
        self.spoken.append(question.text)
        attempt = self.spoken.count(question.text)
        for piece in range(3):
            self.tts_fails(question.text, attempt, piece)
            await asyncio.sleep(PIECE_S)
            text = f"{question.text}|{piece}".encode()
            yield SoundChunk(pcm=text + b" " * (len(text) % 2), sample_rate=RATE, engine="fake tts")

    async def play(self, question: PlaySound) -> None:
        self.played.append(question)

    async def stop(self, question: StopSound) -> Playback:
        self.stopped.append(question)
        return Playback(source=question.source, state="silent", turn_id=question.turn_id, played_s=self.heard_s)

    async def recall(self, question: Recall) -> Recollection:
        self.recalled.append(question)
        assert self.remembers is not None
        return await self.remembers(question)

    async def load(self, question: LoadTalk) -> tuple[Exchange, ...]:
        return self.before

    async def store(self, question: StoreExchange) -> str:
        if self.store_fails is not None:
            raise self.store_fails
        self.stored.append(question.exchange)
        return "stored"

    def specs(self) -> list[ServiceSpec]:
        def answering(kind: type[Any], answer: Any) -> ServiceSpec:
            async def run(ctx: Context) -> None:
                ctx.ready()
                await ctx.answer(kind, answer)

            return spec(kind.__name__, run, answers=(kind,))

        memory = (
            []
            if self.remembers is None
            else [answering(Recall, self.recall), answering(LoadTalk, self.load), answering(StoreExchange, self.store)]
        )
        return [
            *memory,
            answering(Transcribe, self.transcribe),
            answering(Complete, self.complete),
            answering(Prefill, self.prefill),
            answering(Synthesize, self.synthesize),
            answering(PlaySound, self.play),
            answering(StopSound, self.stop),
        ]

    def pieces(self) -> list[str]:
        return [sound.pcm.decode().rstrip() for sound in self.played if sound.pcm]

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def summary(self) -> TurnSummary:
        (finished,) = self.of(TurnFinished)
        summary: TurnSummary = finished.summary
        return summary


@asynccontextmanager
async def stage(cast: Cast, *more: ServiceSpec) -> AsyncIterator[House]:
    async def write_down() -> None:
        async with cast.bus.subscribe(Event, limit=100_000, overflow=Overflow.FAIL) as facts:
            async for fact in facts:
                cast.facts.append(fact)

    writing = asyncio.create_task(write_down())
    async with supervised(cast.bus, *cast.specs(), *more) as house:
        yield house
        await asyncio.sleep(0.001)
        writing.cancel()
        await asyncio.wait([writing])


def turn(ctx: Context, talks: Talks | None = None, *, speak_to: str | None = "kitchen") -> Turn:
    """Of the source `kitchen` in the talk `family`."""
    return Turn(
        ctx,
        POLICY,
        talks or Talks(300),
        source="kitchen",
        talk="family",
        profile="anna",
        speak_to=speak_to,
        origin=asyncio.get_running_loop().time(),
    )


def clause_pieces(*clauses: str) -> list[str]:
    return [f"{clause}|{piece}" for clause in clauses for piece in range(3)]
