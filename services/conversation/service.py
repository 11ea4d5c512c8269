"""Owns the turns: one at a time for each source, begun in a pause, cancelled when its speaker interrupts or leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from services.conversation.aloud import answer_aloud
from services.conversation.announcements import have_ready, listeners, say, until_silent
from services.conversation.interruptions import judge
from services.conversation.judging import Judging
from services.conversation.partials import Partials
from services.conversation.prompt import read_ahead
from services.conversation.proposals import MOST_TRIES, Proposals
from services.conversation.running import RunningTurns
from services.conversation.summaries import Summaries
from services.conversation.talks import Talks
from services.conversation.thinking import TurnPolicy
from services.conversation.transcribing import is_wake_word_alone, transcribe
from services.conversation.turn import APOLOGIES, Turn, exhaust
from services.messages.announcing import Announce
from services.messages.audio import (
    NothingHeard,
    OnlyWakeWordHeard,
    SourceClosed,
    SpeechStarted,
    UtteranceHeard,
    UtterancePaused,
    WakeWordHeard,
)
from services.messages.conversation import AnswerPart, Ask, TuneConversation, TurnFinished
from services.messages.invariants import CancelTurn
from services.messages.speech import Transcript
from services.messages.turntaking import (
    AnswerAwaited,
    Interruption,
    JudgeInterruption,
    ListenNow,
    SpeechGrew,
    SpeechResumed,
    Verdict,
)
from services.messages.waking import WakeWordRejected
from solo.bus import Event, Overflow, undated
from solo.supervision import Context

ANSWERS = (Ask, TuneConversation, JudgeInterruption, Announce, CancelTurn)
_TUNABLE = ("system_prompt", "max_tokens", "temperature", "top_p", "when_full")


@dataclass(slots=True)
class Tuned:
    """The policy in effect. Outlives a crash of its service: made where the service is declared."""

    policy: TurnPolicy


class ConversationService:
    name = "conversation"

    def __init__(self, tuned: Tuned, talks: Talks) -> None:
        self._tuned = tuned
        self._talks = talks
        self._turns = RunningTurns()

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._ctx, self._tasks = ctx, tasks
            self._proposals = Proposals(ctx)
            self._partials = Partials(ctx, tasks)
            self._judging = Judging(ctx, tasks)
            self._summaries = Summaries(ctx, tasks, self._talks)
            for kind, handle in self._handlers().items():
                tasks.create_task(_follow(ctx, kind, handle), name=f"conversation: {kind.__name__}")
            await asyncio.sleep(0)  # they have subscribed by then
            tasks.create_task(ctx.answer(TuneConversation, self._tune))
            tasks.create_task(ctx.answer(JudgeInterruption, self._judge))
            tasks.create_task(ctx.answer(Announce, self._announce))
            tasks.create_task(ctx.answer(CancelTurn, self._cancel))
            tasks.create_task(have_ready(ctx, tuple(APOLOGIES.values())), name="apologies made ready")
            ctx.ready()
            await ctx.answer(Ask, self._ask)
            # Draining: what was only guessed is dropped, answers being spoken are finished.
            self._proposals.drop_all()
            await self._turns.finished()
            self._summaries.stop()

    def _handlers(self) -> dict[type[Event], Any]:
        return {
            UtteranceHeard: self._utterance,
            UtterancePaused: self._pause,
            SpeechStarted: self._speech,
            SpeechGrew: self._grew,
            SpeechResumed: self._resumed,
            NothingHeard: self._nothing,
            WakeWordHeard: self._interrupt,
            ListenNow: self._interrupt,
            WakeWordRejected: self._dismissed,
            SourceClosed: self._closed,
        }

    # -- asked -----------------------------------------------------------------------------------

    async def _ask(self, question: Ask) -> AsyncGenerator[AnswerPart, None]:
        turn = self._turn("text", question.talk, question.profile, question.speak_to, time.monotonic())
        if question.turn_id is not None:
            turn.named(question.turn_id)
        if question.speak_to is None:
            answer = turn.answer(question.text)
        else:
            answer = answer_aloud(self._tasks, self._turns, turn, question.text, question.speak_to)
        async with aclosing(answer) as deltas:
            async for delta in deltas:
                yield AnswerPart(delta=delta)
        self._over(turn)
        yield AnswerPart(summary=turn.summary())

    async def _tune(self, asked: TuneConversation) -> None:
        """From the next turn on."""
        named = {name: value for name in _TUNABLE if (value := getattr(asked, name)) is not None}
        self._tuned.policy = replace(self._tuned.policy, **named)
        if asked.forget_after_s is not None:
            self._talks.forget_after_s = asked.forget_after_s

    async def _judge(self, question: JudgeInterruption) -> Interruption:
        """Who interrupts ends the answer at once; what they want is heard when they have said it.

        An answer that goes on because nobody could tell in time still ends when it turns out that it was to stop.
        """
        asked = asyncio.current_task()
        running = self._turns.of(question.source)

        async def decide() -> Interruption:
            saying = running.turn.speaker.saying() if running is not None else ""
            with undated():
                found = await judge(self._ctx, question, saying)
            in_time = asked is not None and not asked.done()
            if running is not None and found.verdict is Verdict.INTERRUPT and (in_time or found.why == "stop"):
                running.task.cancel()
            return found

        deciding = self._tasks.create_task(decide(), name="judging an interruption")
        return await asyncio.shield(deciding)

    async def _cancel(self, question: CancelTurn) -> bool:
        """False: it is not under way, or is typed and its asker's to leave."""
        return self._turns.cancel_turn(question.cancelled_turn)

    async def _announce(self, question: Announce) -> tuple[str, ...]:
        sources = await listeners(self._ctx, question)
        said = await asyncio.gather(*(self._announce_to(source, question) for source in sources))
        return tuple(source for source, spoken in zip(sources, said, strict=True) if spoken)

    async def _announce_to(self, source: str, question: Announce) -> bool:
        """False: it was interrupted, or could not be spoken."""
        running = self._turns.of(source)
        await until_silent(running.task if running is not None else None)
        turn = self._turn(source, "default", question.profile, source, time.monotonic())
        task = self._tasks.create_task(say(turn, question), name=f"announcement to {source}")
        self._turns.add(source, turn, task)
        await asyncio.wait([task])
        return turn.outcome == "announced"

    # -- heard -----------------------------------------------------------------------------------

    def _speech(self, event: SpeechStarted) -> None:
        """While the question is being asked, the model reads what comes before it."""
        self._partials.forget(event.source)
        self._tasks.create_task(self._read_ahead(event.profile, event.talk, None), name="prefill")

    def _grew(self, event: SpeechGrew) -> None:
        async def read(words: str) -> None:
            await self._read_ahead(event.profile, event.talk, words)

        self._partials.look(event, read)

    async def _read_ahead(self, profile: str, talk: str, question: str | None) -> None:
        await read_ahead(self._ctx, self._talks, self._tuned.policy.system_prompt, profile, talk, question)

    def _pause(self, event: UtterancePaused) -> None:
        """Perhaps the speaker has finished: answer, but tell nobody."""
        self._partials.stop(event.source)
        self._proposals.drop(event.source)
        if not self._tuned.policy.speculate or event.pause > MOST_TRIES:
            return
        turn = self._turn(
            event.source, event.talk, event.profile, event.source, event.speech_end, event.utterance, decided=False
        )
        transcript = transcribe(self._ctx, self._tasks, event.pcm)
        task = self._tasks.create_task(self._spoken(turn, transcript, event.wake_word), name="proposed turn")
        task.add_done_callback(lambda _: turn.understood.set())  # also when it is dropped before it begins
        self._proposals.add(event, turn, task)
        self._judging.of_words(event, turn, self._tuned.policy)
        self._judging.of_sound(event)

    def _utterance(self, event: UtteranceHeard) -> None:
        self._partials.forget(event.source)
        if (proposed := self._proposals.take(event)) is not None:
            turn, task = proposed.turn, proposed.task
        else:
            turn = self._turn(
                event.source, event.talk, event.profile, event.source, event.speech_end, event.utterance, decided=False
            )
            transcript = transcribe(self._ctx, self._tasks, event.pcm)
            work = self._spoken(turn, transcript, event.wake_word)
            task = self._tasks.create_task(work, name=f"turn of {event.source}")
        self._turns.add(event.source, turn, task)
        turn.decide(event.speech_end, event.decided)

    def _resumed(self, event: SpeechResumed) -> None:
        """It was not the end: neither the guess nor a turn that had been decided too soon."""
        self._proposals.drop(event.source)
        running = self._turns.of(event.source)
        if running is not None and running.turn.utterance == event.utterance:
            running.turn.outcome = "continued"
            running.task.cancel()

    def _nothing(self, event: NothingHeard) -> None:
        self._proposals.drop(event.source)
        turn = self._turn(event.source, "default", event.profile, None, time.monotonic())
        turn.outcome = event.reason
        self._ctx.publish(TurnFinished(source=event.source, summary=turn.summary(), turn_id=turn.id))

    def _interrupt(self, event: WakeWordHeard | ListenNow) -> None:
        """The wake word while Solo answers means: listen to me."""
        self._turns.cancel(event.source)

    def _dismissed(self, event: WakeWordRejected) -> None:
        """Nobody meant Solo: what was begun for them is dropped."""
        self._partials.forget(event.source)
        self._proposals.drop(event.source)

    def _closed(self, event: SourceClosed) -> None:
        """A source that is gone needs no answer."""
        self._partials.forget(event.source)
        self._proposals.drop(event.source)
        self._turns.cancel(event.source)

    # -- turns -----------------------------------------------------------------------------------

    async def _spoken(self, turn: Turn, transcript: asyncio.Future[Transcript], wake_word: str | None) -> None:
        try:
            if wake_word is not None and await is_wake_word_alone(transcript, wake_word):
                await turn.gate.passed()
                self._ctx.publish(OnlyWakeWordHeard(source=turn.source, word=wake_word))
                return
            await exhaust(turn.answer(transcript, wake_word))
        finally:
            turn.understood.set()  # whoever waits to judge its words may go
            transcript.cancel()
        self._over(turn)
        follow_up = self._tuned.policy.follow_up
        if turn.outcome == "answered" and (follow_up == "always" or (follow_up == "questions" and turn.asks_back)):
            self._ctx.publish(AnswerAwaited(source=turn.source))

    def _over(self, turn: Turn) -> None:
        """What its model had no room for is summarised behind its back, where that is wanted."""
        if self._tuned.policy.when_full == "summarise":
            self._summaries.consider(turn.profile, turn.talk, turn.dropped, turn.absent)

    def _turn(
        self,
        source: str,
        talk: str,
        profile: str,
        speak_to: str | None,
        origin: float,
        utterance: str | None = None,
        *,
        decided: bool = True,
    ) -> Turn:
        return Turn(
            self._ctx,
            self._tuned.policy,
            self._talks,
            source=source,
            talk=talk,
            profile=profile,
            speak_to=speak_to,
            origin=origin,
            utterance=utterance,
            decided=decided,
        )


async def _follow(ctx: Context, kind: type[Event], handle: Any) -> None:
    # An utterance must not be lost, so a conversation that cannot keep up crashes audibly.
    async with ctx.subscribe(kind, limit=64, overflow=Overflow.FAIL) as box:
        async for event in box:
            handle(event)
