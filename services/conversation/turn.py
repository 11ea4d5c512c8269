"""One turn is one coroutine: hear, recall, think, speak, remember."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from services.conversation.accounts import receipt_of, tokens_of
from services.conversation.clauses import Clauses
from services.conversation.keeping import keep
from services.conversation.prompt import prompt, take_up
from services.conversation.recall import NOTHING, Recalled, left_out, recall
from services.conversation.talks import NOTHING_ABSENT, Absent, Talks
from services.conversation.wake_phrase import strip_wake_phrase
from services.messages.audio import BYTES_PER_SAMPLE, PlaySound, StopSound
from services.messages.chats import Exchange
from services.messages.conversation import (
    AnswerGrew,
    Engines,
    Failed,
    Latency,
    Outcome,
    QuestionHeard,
    TurnFinished,
    TurnStarted,
    TurnSummary,
)
from services.messages.language import ChatMessage, Complete, CompletionEnd, Sampling, TextDelta
from services.messages.speech import Synthesize, Transcript
from solo.bus import in_turn
from solo.errors import SoloError
from solo.supervision import Context

_TOKEN_WITHIN_S = 25.0
"""Longest wait for the next token: an engine that hangs is noticed in 10 s, and loads again meanwhile."""
_SOUND_WITHIN_S = 20.0
_PLAY_WITHIN_S = 60.0
"""A loudspeaker takes sound at its own pace."""

_APOLOGIES = {
    "hear": "Sorry, I could not understand you, because speech recognition has failed.",
    "think": "Sorry, I cannot answer, because the language model has failed.",
    "speak": "Sorry, I cannot speak, because the voice has failed.",
}


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    system_prompt: str
    max_tokens: int
    temperature: float
    top_p: float
    when_full: Literal["trim", "summarise"] = "trim"


@dataclass(slots=True)
class Turn:
    """What is known of a turn; `answer` makes it happen."""

    ctx: Context
    policy: TurnPolicy
    talks: Talks
    source: str
    talk: str
    profile: str
    speak_to: str | None
    origin: float
    """Monotonic seconds of the last speech sample, or of the typed question."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    heard: str = ""
    said: str = ""
    outcome: Outcome = "cancelled"
    error: Failed | None = None
    audio_s: float = 0.0
    stored: bool = False
    recalling: asyncio.Task[Recalled] | None = None
    """What memory was asked already, while the speaker paused."""
    absent: Absent = NOTHING_ABSENT
    """What of the talk was not in the model's prompt word by word."""
    _recalled: Recalled = NOTHING
    _sample_rate: int = 0
    _stage: str = "hear"
    _marks: dict[str, float] = field(default_factory=dict)
    _engines: dict[str, str] = field(default_factory=dict)
    _end: CompletionEnd | None = None

    async def answer(
        self, question: str | Awaitable[Transcript], wake_word: str | None = None
    ) -> AsyncGenerator[str, None]:
        """Yields the answer's text as it grows. Never raises a SoloError: a failure is said and recorded."""
        with in_turn(self.id):
            self.ctx.publish(TurnStarted(source=self.source))
            try:
                self.heard = question if isinstance(question, str) else await self._hear(question, wake_word)
                if not self.heard:
                    self.outcome = "no_speech"
                    return
                self.ctx.publish(QuestionHeard(source=self.source, text=self.heard))
                self._stage = "think"
                await self._recall()
                async with aclosing(self._think()) as deltas:
                    async for delta in deltas:
                        yield delta
                self.outcome = "answered"
                await self._remember()
            except SoloError as error:
                await self._fail(error)
            finally:
                self.mark("finished")
                self.ctx.publish(TurnFinished(source=self.source, summary=self.summary()))

    def mark(self, point: str, at: float | None = None) -> None:
        """Note when a point was reached, the first time it is."""
        self._marks.setdefault(point, ((time.monotonic() if at is None else at) - self.origin) * 1000)

    def summary(self) -> TurnSummary:
        end = self._end
        return TurnSummary(
            turn_id=self.id,
            at=self.at,
            source=self.source,
            talk=self.talk,
            profile=self.profile,
            heard=self.heard,
            said=self.said.strip(),
            outcome=self.outcome,
            error=self.error,
            latency_ms=Latency(**{name: round(ms, 1) for name, ms in self._marks.items()}),
            tokens=tokens_of(end) if end is not None else None,
            engines=Engines(**self._engines),
            receipt=receipt_of(end, self.absent) if end is not None else None,
            memory=self._recalled.receipt,
            citations=self._recalled.citations,
            stored=self.stored,
            audio_s=round(self.audio_s, 3),
        )

    @property
    def dropped(self) -> int:
        """Messages of the history that the model had no room for."""
        return self._end.receipt.dropped_messages if self._end is not None else 0

    async def _hear(self, transcript: Awaitable[Transcript], wake_word: str | None) -> str:
        found = await transcript
        self.mark("transcript")
        self._engines["stt"] = found.engine
        return strip_wake_phrase(found.text, wake_word) if wake_word else found.text

    async def _recall(self) -> None:
        """What fits the question; begun in the speaker's pause where there was one."""
        asked = self.recalling
        if asked is None:
            await take_up(self.ctx, self.talks, self.profile, self.talk)
            self._recalled = await recall(self.ctx, self.profile, self.heard)
        else:
            self._recalled = await asked
        self.mark("recalled")

    async def _remember(self) -> None:
        """In this talk, and in the database; an answer that was given stands although it could not be stored."""
        self.talks.remember(self.profile, self.talk, self.heard, self.said)
        exchange = Exchange(
            turn_id=self.id,
            profile=self.profile,
            talk=self.talk,
            heard=self.heard,
            said=self.said.strip(),
            outcome=self.outcome,
            source=self.source,
            at=self.at,
        )
        self.stored = await keep(self.ctx, exchange)

    async def _think(self) -> AsyncGenerator[str, None]:
        """The model's answer; a model that dies in the middle goes on, once, behind what it has said."""
        clauses = Clauses()
        history = self.talks.history(self.profile, self.talk)
        self.absent = self.talks.absent(self.profile, self.talk)
        messages = prompt(self.policy.system_prompt, history, self._recalled.text, self.heard)
        for last_try in (False, True):
            try:
                async with self.ctx.stream(self._question(messages), within=_TOKEN_WITHIN_S, ahead=1) as parts:
                    async for part in parts:
                        if isinstance(part, CompletionEnd):
                            self._end = part
                            self._engines["llm"] = part.engine
                            continue
                        delta = self._grow(part)
                        yield delta
                        await self._speak(clauses.feed(delta))
                break
            except SoloError as error:
                if last_try or self._stage != "think":
                    raise
                if error.code == "llm.prompt_too_long" and self._recalled.text:
                    self._recalled = left_out(self._recalled)
                    messages = prompt(self.policy.system_prompt, history, "", self.heard)
                elif not error.retryable:
                    raise
                self.ctx.log.warning("asking the model again", turn_id=self.id, error=error.line())
        await self._speak(clauses.flush())
        await self._end_speech()

    def _question(self, messages: tuple[ChatMessage, ...]) -> Complete:
        policy = self.policy
        return Complete(
            messages=messages,
            prefix=self.said,
            max_tokens=policy.max_tokens,
            sampling=Sampling(temperature=policy.temperature, top_p=policy.top_p),
            lane="voice" if self.speak_to is not None else "chat",
            profile=self.profile,
        )

    def _grow(self, part: TextDelta) -> str:
        self.mark("first_token")
        self.said += part.text
        self.ctx.publish(AnswerGrew(source=self.source, delta=part.text))
        return part.text

    async def _speak(self, clauses: list[str]) -> None:
        if self.speak_to is None:
            return
        self._stage = "speak"
        for clause in clauses:
            await self._say(clause)
        self._stage = "think"

    async def _say(self, clause: str) -> None:
        """One clause; a voice that dies says it again, without the pieces already played."""
        assert self.speak_to is not None
        played = 0
        for last_try in (False, True):
            try:
                async with self.ctx.stream(Synthesize(text=clause), within=_SOUND_WITHIN_S) as sounds:
                    index = 0
                    async for sound in sounds:
                        index += 1
                        if index <= played:
                            continue
                        self.mark("first_audio")
                        self._engines["tts"] = sound.engine
                        await self.ctx.request(
                            PlaySound(source=self.speak_to, pcm=sound.pcm, sample_rate=sound.sample_rate),
                            within=_PLAY_WITHIN_S,
                        )
                        self.mark("voice_to_voice")
                        self._sample_rate = sound.sample_rate
                        played += 1
                        self.audio_s += len(sound.pcm) / BYTES_PER_SAMPLE / sound.sample_rate
                return
            except SoloError as error:
                if last_try or not error.retryable:
                    raise
                self.ctx.log.warning("saying it again", turn_id=self.id, error=error.line())

    async def _fail(self, error: SoloError) -> None:
        """Say what failed, in a fixed sentence, and record it by its name."""
        self.outcome = "failed"
        self.error = Failed(code=error.code, message=error.message)
        self.ctx.log.warning("turn failed", turn_id=self.id, stage=self._stage, code=error.code, error=error.line())
        if self.speak_to is not None and self._stage != "speak":
            try:
                await self._say(_APOLOGIES[self._stage])
                await self._end_speech()
            except SoloError as second:
                self.ctx.log.warning("could not say so", turn_id=self.id, code=second.code)

    async def _end_speech(self) -> None:
        """Tell the source that it has everything."""
        if self.speak_to is not None and self._sample_rate:
            last = PlaySound(source=self.speak_to, pcm=b"", sample_rate=self._sample_rate, last=True)
            await self.ctx.request(last, within=_PLAY_WITHIN_S)

    async def be_silent(self) -> None:
        """After a cancellation: what has not been played is not played any more."""
        if self.speak_to is not None:
            with in_turn(self.id):
                await self.ctx.request(StopSound(source=self.speak_to), within=2.0)


async def exhaust(deltas: AsyncGenerator[str, None]) -> None:
    """Run a turn that nobody reads along."""
    async with aclosing(deltas):
        async for _ in deltas:
            await asyncio.sleep(0)
