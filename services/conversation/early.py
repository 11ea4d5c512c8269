"""Work inside the silence: when a speaker pauses, what was said is transcribed and read by the model already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.conversation.recall import NOTHING, Recalled
from services.conversation.wake_phrase import strip_wake_phrase
from services.messages.audio import UtteranceHeard, UtterancePaused
from services.messages.language import ChatMessage, Prefill
from services.messages.speech import Transcribe, Transcript
from solo.errors import SoloError
from solo.supervision import Context

_TRANSCRIBE_WITHIN_S = 30.0
_PREFILL_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Prepare:
    """What can be done with a question before it is certain: remember what fits it, and make the model's prompt."""

    recall: Callable[[str], Awaitable[Recalled]]
    prompt: Callable[[str, Recalled], tuple[ChatMessage, ...]]


@dataclass(frozen=True, slots=True)
class Guess:
    """A question as it was understood, and what is remembered of it."""

    transcript: Awaitable[Transcript]
    recalled: asyncio.Task[Recalled] | None
    """None: not asked yet."""


@dataclass(frozen=True, slots=True)
class _Begun:
    utterance: str
    pause: int
    transcript: asyncio.Task[Transcript | SoloError]
    recalled: asyncio.Task[Recalled]
    reading: asyncio.Task[None]

    def cancel(self) -> None:
        self.transcript.cancel()
        self.recalled.cancel()
        self.reading.cancel()


class EarlyWork:
    """At most one guess for each source; speech that goes on makes it worthless, and it is dropped."""

    def __init__(self, ctx: Context, tasks: asyncio.TaskGroup) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._begun: dict[str, _Begun] = {}

    def begin(self, event: UtterancePaused, prepare: Prepare) -> None:
        """Perhaps the speaker has finished."""
        self.drop(event.source)
        transcript = self._tasks.create_task(self._attempt(event), name="early transcription")
        recalled = self._tasks.create_task(self._recall(transcript, event, prepare), name="early recall")
        reading = self._tasks.create_task(self._read(transcript, recalled, event, prepare), name="early prefill")
        self._begun[event.source] = _Begun(event.utterance, event.pause, transcript, recalled, reading)

    def take(self, event: UtteranceHeard) -> Guess:
        """What was begun at the last pause when nothing was said after it, otherwise a new transcript."""
        begun = self._begun.pop(event.source, None)
        if begun is not None:
            if (begun.utterance, begun.pause) == (event.utterance, event.pause):
                return Guess(_unwrap(begun.transcript), begun.recalled)
            begun.cancel()
        return Guess(self._ctx.request(Transcribe(pcm=event.pcm), within=_TRANSCRIBE_WITHIN_S), None)

    def drop(self, source: str) -> None:
        if (begun := self._begun.pop(source, None)) is not None:
            begun.cancel()

    async def prefill(self, messages: tuple[ChatMessage, ...]) -> None:
        """A guess that fails costs time only."""
        try:
            await self._ctx.request(Prefill(messages=messages), within=_PREFILL_WITHIN_S)
        except SoloError as error:
            self._ctx.log.debug("no prefill", code=error.code)

    async def _attempt(self, event: UtterancePaused) -> Transcript | SoloError:
        """A failure belongs to the turn that may never ask for it, not to the service."""
        try:
            return await self._ctx.request(Transcribe(pcm=event.pcm), within=_TRANSCRIBE_WITHIN_S)
        except SoloError as error:
            return error

    async def _recall(
        self, transcript: asyncio.Task[Transcript | SoloError], event: UtterancePaused, prepare: Prepare
    ) -> Recalled:
        question = _question(await asyncio.shield(transcript), event)
        return await prepare.recall(question) if question else NOTHING

    async def _read(
        self,
        transcript: asyncio.Task[Transcript | SoloError],
        recalled: asyncio.Task[Recalled],
        event: UtterancePaused,
        prepare: Prepare,
    ) -> None:
        question = _question(await asyncio.shield(transcript), event)
        if question:
            await self.prefill(prepare.prompt(question, await asyncio.shield(recalled)))


def _question(found: Transcript | SoloError, event: UtterancePaused) -> str:
    """Empty when there is none."""
    if isinstance(found, SoloError):
        return ""
    return strip_wake_phrase(found.text, event.wake_word) if event.wake_word else found.text


async def _unwrap(task: asyncio.Task[Transcript | SoloError]) -> Transcript:
    result = await task
    if isinstance(result, SoloError):
        raise result
    return result
