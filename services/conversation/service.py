"""Owns the turns: one at a time for each source, cancelled when its speaker interrupts or leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from services.conversation.early import EarlyWork, Prepare
from services.conversation.prompt import prompt, take_up
from services.conversation.recall import NOTHING, Recalled, recall
from services.conversation.summaries import Summaries
from services.conversation.talks import Talks
from services.conversation.turn import Turn, TurnPolicy, exhaust
from services.conversation.wake_phrase import strip_wake_phrase
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
from services.messages.language import ChatMessage
from services.messages.speech import Transcript
from solo.bus import Event, Overflow
from solo.errors import SoloError
from solo.supervision import Context

E = TypeVar("E", bound=Event)


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
        self._turns: dict[str, asyncio.Task[None]] = {}

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._early = EarlyWork(ctx, tasks)
            self._summaries = Summaries(ctx, tasks, self._talks)

            def follow(kind: type[E], handle: Callable[[Context, asyncio.TaskGroup, E], None]) -> None:
                tasks.create_task(_follow(ctx, tasks, kind, handle), name=f"conversation: {kind.__name__}")

            follow(UtteranceHeard, self._utterance)
            follow(UtterancePaused, self._pause)
            follow(SpeechStarted, self._speech)
            follow(NothingHeard, self._nothing)
            follow(WakeWordHeard, self._interrupt)
            follow(SourceClosed, self._interrupt)
            await asyncio.sleep(0)  # they have subscribed by then
            tasks.create_task(ctx.answer(TuneConversation, self._tune))
            ctx.ready()
            await ctx.answer(Ask, lambda question: self._ask(ctx, question))
            # Draining: answers being spoken are finished too.
            if self._turns:
                await asyncio.wait(self._turns.values())
            self._summaries.stop()

    async def _ask(self, ctx: Context, question: Ask) -> AsyncGenerator[AnswerPart, None]:
        turn = self._turn(ctx, "text", question.talk, question.speak_to, time.monotonic(), question.profile)
        turn.id = question.turn_id or turn.id
        async with aclosing(turn.answer(question.text)) as deltas:
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

    def _utterance(self, ctx: Context, tasks: asyncio.TaskGroup, event: UtteranceHeard) -> None:
        turn = self._turn(ctx, event.source, event.talk, event.source, event.speech_end, event.profile)
        turn.mark("end_of_turn", event.decided)
        guess = self._early.take(event)
        turn.recalling = guess.recalled
        transcript = asyncio.ensure_future(guess.transcript)
        transcript.add_done_callback(_looked_at)  # a turn cancelled early never asks what became of it
        self._begin(tasks, event.source, self._spoken(ctx, turn, transcript, event.wake_word))

    async def _spoken(
        self, ctx: Context, turn: Turn, transcript: asyncio.Future[Transcript], wake_word: str | None
    ) -> None:
        try:
            if wake_word is not None and await _is_wake_word_alone(transcript, wake_word):
                ctx.publish(OnlyWakeWordHeard(source=turn.source, word=wake_word))
                return
            await exhaust(turn.answer(transcript, wake_word))
            self._over(turn)
        except asyncio.CancelledError:
            await turn.be_silent()
            raise

    def _over(self, turn: Turn) -> None:
        """What its model had no room for is summarised behind its back, where that is wanted."""
        if self._tuned.policy.when_full == "summarise":
            self._summaries.consider(turn.profile, turn.talk, turn.dropped, turn.absent)

    def _pause(self, ctx: Context, tasks: asyncio.TaskGroup, event: UtterancePaused) -> None:
        prepare = Prepare(
            recall=lambda question: recall(ctx, event.profile, question),
            prompt=lambda question, recalled: self._prompt(event.profile, event.talk, question, recalled),
        )
        self._early.begin(event, prepare)

    def _speech(self, ctx: Context, tasks: asyncio.TaskGroup, event: SpeechStarted) -> None:
        """While the question is being asked, the model reads what comes before it."""
        tasks.create_task(self._read_ahead(ctx, event.profile, event.talk), name="prefill")

    async def _read_ahead(self, ctx: Context, profile: str, talk: str) -> None:
        await take_up(ctx, self._talks, profile, talk)
        await self._early.prefill(self._prompt(profile, talk, None, NOTHING))

    def _prompt(self, profile: str, talk: str, question: str | None, recalled: Recalled) -> tuple[ChatMessage, ...]:
        return prompt(self._tuned.policy.system_prompt, self._talks.history(profile, talk), recalled.text, question)

    def _nothing(self, ctx: Context, tasks: asyncio.TaskGroup, event: NothingHeard) -> None:
        turn = self._turn(ctx, event.source, "default", None, time.monotonic(), event.profile)
        turn.outcome = event.reason
        ctx.publish(TurnFinished(source=event.source, summary=turn.summary(), turn_id=turn.id))

    def _interrupt(self, ctx: Context, tasks: asyncio.TaskGroup, event: WakeWordHeard | SourceClosed) -> None:
        """The wake word while Solo answers means: listen to me. A source that is gone needs no answer."""
        running = self._turns.get(event.source)
        if running is not None:
            running.cancel()
        if isinstance(event, SourceClosed):
            self._early.drop(event.source)

    def _begin(self, tasks: asyncio.TaskGroup, source: str, work: Coroutine[Any, Any, None]) -> None:
        if (before := self._turns.get(source)) is not None:
            before.cancel()
        task = tasks.create_task(work, name=f"turn of {source}")
        self._turns[source] = task
        task.add_done_callback(lambda done: self._turns.get(source) is done and self._turns.pop(source))

    def _turn(self, ctx: Context, source: str, talk: str, speak_to: str | None, origin: float, profile: str) -> Turn:
        return Turn(
            ctx=ctx,
            policy=self._tuned.policy,
            talks=self._talks,
            source=source,
            talk=talk,
            profile=profile,
            speak_to=speak_to,
            origin=origin,
        )


def _looked_at(transcript: asyncio.Future[Transcript]) -> None:
    if not transcript.cancelled():
        transcript.exception()


async def _is_wake_word_alone(transcript: asyncio.Future[Transcript], wake_word: str) -> bool:
    """People pause after the wake word. A transcription that fails is the turn's to tell."""
    try:
        return not strip_wake_phrase((await transcript).text, wake_word)
    except SoloError:
        return False


async def _follow(
    ctx: Context, tasks: asyncio.TaskGroup, kind: type[E], handle: Callable[[Context, asyncio.TaskGroup, E], None]
) -> None:
    # An utterance must not be lost, so a conversation that cannot keep up crashes audibly.
    async with ctx.subscribe(kind, limit=64, overflow=Overflow.FAIL) as box:
        async for event in box:
            handle(ctx, tasks, event)
