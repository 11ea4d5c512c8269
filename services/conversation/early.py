"""Work inside the silence: when a speaker pauses, what was said is transcribed and read by the model already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.conversation.wake_phrase import strip_wake_phrase
from services.messages.audio import UtteranceHeard, UtterancePaused
from services.messages.language import ChatMessage, Prefill
from services.messages.speech import Transcribe, Transcript
from solo.errors import SoloError
from solo.supervision import Context

_TRANSCRIBE_WITHIN_S = 30.0
_PREFILL_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class _Begun:
    utterance: str
    pause: int
    transcript: asyncio.Task[Transcript | SoloError]
    reading: asyncio.Task[None]

    def cancel(self) -> None:
        self.transcript.cancel()
        self.reading.cancel()


class EarlyWork:
    """At most one guess for each source; speech that goes on makes it worthless, and it is dropped."""

    def __init__(self, ctx: Context, tasks: asyncio.TaskGroup) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._begun: dict[str, _Begun] = {}

    def begin(self, event: UtterancePaused, prompt: Callable[[str], tuple[ChatMessage, ...]]) -> None:
        """Perhaps the speaker has finished. `prompt` makes the model's prompt of a question."""
        self.drop(event.source)
        transcript = self._tasks.create_task(self._attempt(event), name="early transcription")
        reading = self._tasks.create_task(self._read(transcript, event, prompt), name="early prefill")
        self._begun[event.source] = _Begun(event.utterance, event.pause, transcript, reading)

    def take(self, event: UtteranceHeard) -> Awaitable[Transcript]:
        """The transcript begun at the last pause when nothing was said after it, otherwise a new one."""
        begun = self._begun.pop(event.source, None)
        if begun is not None:
            if (begun.utterance, begun.pause) == (event.utterance, event.pause):
                return _unwrap(begun.transcript)
            begun.cancel()
        return self._ctx.request(Transcribe(pcm=event.pcm), within=_TRANSCRIBE_WITHIN_S)

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

    async def _read(
        self,
        transcript: asyncio.Task[Transcript | SoloError],
        event: UtterancePaused,
        prompt: Callable[[str], tuple[ChatMessage, ...]],
    ) -> None:
        found = await asyncio.shield(transcript)
        if isinstance(found, SoloError) or not found.text:
            return
        text = strip_wake_phrase(found.text, event.wake_word) if event.wake_word else found.text
        if text:
            await self.prefill(prompt(text))


async def _unwrap(task: asyncio.Task[Transcript | SoloError]) -> Transcript:
    result = await task
    if isinstance(result, SoloError):
        raise result
    return result
