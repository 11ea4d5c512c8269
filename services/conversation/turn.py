"""One turn is one coroutine: hear, try the skills, recall, think, speak, remember."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime

from services.conversation.accounts import receipt_of, tokens_of
from services.conversation.clauses import Clauses
from services.conversation.gate import Gate
from services.conversation.keeping import keep
from services.conversation.prompt import prompt, take_up
from services.conversation.recall import NOTHING, Recalled, left_out, recall
from services.conversation.skills import act, match
from services.conversation.speaker import Speaker
from services.conversation.talks import NOTHING_ABSENT, Absent, Talks
from services.conversation.thinking import Thinking, TurnPolicy
from services.conversation.wake_phrase import strip_wake_phrase
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
from services.messages.language import ChatMessage, CompletionEnd
from services.messages.skills import SkillMatch, SkillReply
from services.messages.speech import Transcript
from solo.bus import in_turn
from solo.errors import SoloError
from solo.supervision import Context

APOLOGIES = {
    "hear": "Sorry, I could not understand you, because speech recognition has failed.",
    "think": "Sorry, I cannot answer, because the language model has failed.",
    "speak": "Sorry, I cannot speak, because the voice has failed.",
}


class Turn:
    """What is known of a turn; `answer` makes it happen. Begun in a pause, it waits for `decide` before anybody learns
    of it."""

    def __init__(
        self,
        ctx: Context,
        policy: TurnPolicy,
        talks: Talks,
        *,
        source: str,
        talk: str,
        profile: str,
        speak_to: str | None,
        origin: float,
        utterance: str | None = None,
        decided: bool = True,
    ) -> None:
        """`origin`: monotonic seconds of the last speech sample, or of the typed question."""
        self.ctx = ctx
        self.policy = policy
        self.talks = talks
        self.source = source
        self.talk = talk
        self.profile = profile
        self.utterance = utterance
        self.origin = origin
        self.id = uuid.uuid4().hex[:12]
        self.at = datetime.now(UTC).isoformat()
        self.heard = self.said = ""
        self.outcome: Outcome = "cancelled"
        self.error: Failed | None = None
        self.skill: SkillMatch | None = None
        self.understood = asyncio.Event()
        """It is known what was asked, and whether a skill answers."""
        self.gate = Gate(ctx, is_open=decided)
        self.speaker = Speaker(ctx, self.gate, speak_to, self.id, self.mark)
        self.stored = False
        self.asks_back = False
        self.absent: Absent = NOTHING_ABSENT
        """What of the talk was not in the model's prompt word by word."""
        self._end: CompletionEnd | None = None
        self._recalled: Recalled = NOTHING
        self._stage = "hear"
        self._marks: dict[str, float] = {}
        self._engines: dict[str, str] = {}

    def named(self, turn_id: str) -> None:
        """Before it begins: the id that its asker chose."""
        self.id = self.speaker.turn = turn_id

    def decide(self, origin: float, decided: float) -> None:
        """The pause was the end."""
        self.origin = origin
        self.mark("end_of_turn", decided)
        self.gate.open()

    async def answer(
        self, question: str | Awaitable[Transcript], wake_word: str | None = None
    ) -> AsyncGenerator[str, None]:
        """Yields the answer's text as it grows. Never raises a SoloError: a failure is said and recorded."""
        with self.under_way():
            try:
                self.heard = question if isinstance(question, str) else await self._hear(question, wake_word)
                if not self.heard:
                    self.understood.set()
                    await self.gate.passed()
                    self.outcome = "no_speech"
                    return
                self.gate.tell(QuestionHeard(source=self.source, text=self.heard))
                self._stage = "think"
                self.skill = await match(self.ctx, self.heard, self.profile)
                self.understood.set()
                answer = self._think() if self.skill is None else self._act(self.skill)
                async with aclosing(answer) as deltas:
                    async for delta in deltas:
                        yield delta
                await self.gate.passed()
                self.outcome = "answered"
                await self._remember()
            except SoloError as error:
                await self.gate.passed()
                await self._fail(error)
            except (asyncio.CancelledError, GeneratorExit):
                if self.gate.is_open:
                    await self.fall_silent()
                raise

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Everything told inside belongs to this turn; its beginning and its end are told too."""
        with in_turn(self.id):
            self.gate.tell(TurnStarted(source=self.source))
            try:
                yield
            finally:
                self.understood.set()
                self.mark("finished")
                if self.gate.is_open:
                    self.ctx.publish(TurnFinished(source=self.source, summary=self.summary()))

    def mark(self, point: str, at: float | None = None) -> None:
        """Note when a point was reached, the first time it is."""
        self._marks.setdefault(point, time.monotonic() if at is None else at)

    def summary(self) -> TurnSummary:
        end = self._end
        marks = {name: round((at - self.origin) * 1000, 1) for name, at in self._marks.items()}
        if self.speaker.engine is not None:
            self._engines["tts"] = self.speaker.engine
        return TurnSummary(
            turn_id=self.id,
            at=self.at,
            source=self.source,
            talk=self.talk,
            profile=self.profile,
            utterance=self.utterance,
            heard=self.heard,
            said=self.said.strip(),
            skill=self.skill.skill if self.skill is not None else None,
            outcome=self.outcome,
            error=self.error,
            latency_ms=Latency(**marks),
            tokens=tokens_of(end) if end is not None else None,
            engines=Engines(**self._engines),
            receipt=receipt_of(end, self.absent) if end is not None else None,
            memory=self._recalled.receipt,
            citations=self._recalled.citations,
            stored=self.stored,
            audio_s=round(self.speaker.audio_s, 3),
        )

    @property
    def dropped(self) -> int:
        """Messages of the history that the model had no room for."""
        end = self._end
        return end.receipt.dropped_messages if end is not None else 0

    async def _hear(self, transcript: Awaitable[Transcript], wake_word: str | None) -> str:
        found = await transcript
        self.mark("transcript")
        self._engines["stt"] = found.engine
        return strip_wake_phrase(found.text, wake_word) if wake_word else found.text

    async def _act(self, skill: SkillMatch) -> AsyncGenerator[str, None]:
        """What a skill does cannot be taken back, so it waits until the turn is decided."""
        await self.gate.passed()
        reply: SkillReply = await act(self.ctx, self, skill)
        self.asks_back = reply.listen
        if reply.say:
            yield self._grow(reply.say)
            self._stage = "speak"
            await self.speaker.say_all(reply.say)

    async def _think(self) -> AsyncGenerator[str, None]:
        """The model's answer, spoken as it grows."""
        await self._recall()
        clauses = Clauses()
        history = self.talks.history(self.profile, self.talk)
        self.absent = self.talks.absent(self.profile, self.talk)

        def messages(remembering: bool) -> tuple[ChatMessage, ...]:
            remembered = self._recalled.text if remembering else ""
            return prompt(self.policy.system_prompt, history, remembered, self.heard)

        spoken = self.speaker.source is not None
        thinking = Thinking(self.ctx, self.policy, self.profile, spoken, self.id, messages, self._leave_out)
        async with aclosing(thinking.answer(lambda: self._stage == "think")) as deltas:
            async for delta in deltas:
                self.mark("first_token")
                yield self._grow(delta)
                await self._speak(clauses.feed(delta))
        self._end = thinking.end
        if self._end is not None:
            self._engines["llm"] = self._end.engine
        await self._speak(clauses.flush())
        await self.speaker.end()
        self.asks_back = self.said.rstrip().endswith("?")

    async def _recall(self) -> None:
        """What fits the question."""
        await take_up(self.ctx, self.talks, self.profile, self.talk)
        self._recalled = await recall(self.ctx, self.profile, self.heard)
        self.mark("recalled")

    def _leave_out(self) -> bool:
        if not self._recalled.text:
            return False
        self._recalled = left_out(self._recalled)
        return True

    def _grow(self, delta: str) -> str:
        self.said += delta
        self.gate.tell(AnswerGrew(source=self.source, delta=delta))
        return delta

    async def _speak(self, clauses: list[str]) -> None:
        self._stage = "speak"
        for clause in clauses:
            await self.speaker.say(clause)
        self._stage = "think"

    async def _remember(self) -> None:
        """In this talk, and in the database; an answer that was given stands although it could not be stored."""
        if self.skill is not None and self.skill.control != "none":
            return
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

    async def fall_silent(self) -> None:
        """Interrupted: nothing more is said, and what was not heard was not said."""
        if self.speaker.source is None:
            return
        try:
            self.said = await self.speaker.be_silent()
        except SoloError as error:
            self.ctx.log.warning("not silenced", turn_id=self.id, error=error.line())
            return
        if self.said and self.heard and self.outcome != "continued":
            await self._remember()

    async def _fail(self, error: SoloError) -> None:
        """Say what failed, in a fixed sentence, and record it by its name."""
        self.failed(error)
        if self._stage != "speak":
            try:
                await self.speaker.say(APOLOGIES[self._stage])
                await self.speaker.end()
            except SoloError as second:
                self.ctx.log.warning("could not say so", turn_id=self.id, code=second.code)

    def failed(self, error: SoloError) -> None:
        self.outcome = "failed"
        self.error = Failed(code=error.code, message=error.message)
        self.ctx.log.warning("turn failed", turn_id=self.id, stage=self._stage, code=error.code, error=error.line())


async def exhaust(deltas: AsyncGenerator[str, None]) -> None:
    """Run a turn that nobody reads along."""
    async with aclosing(deltas):
        async for _ in deltas:
            await asyncio.sleep(0)
