"""What somebody who is still speaking has said: words that two looks in a row agree on are committed.

The rule is LocalAgreement-2 (Macháček, Dabre and Bojar 2023, "Turning Whisper into Real-Time Transcription System").
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from services.conversation.wake_phrase import strip_wake_phrase
from services.messages.speech import Transcribe
from services.messages.turntaking import SpeechGrew, TranscriptGrew
from solo.errors import SoloError
from solo.supervision import Context

_LOOK_WITHIN_S = 2.0
_END_MARKS = ".,;:!?…"
_PLAIN = re.compile(r"\W+")


class Agreement:
    """Of one utterance's looks. Pure."""

    def __init__(self) -> None:
        self._before: list[str] = []
        self._committed: list[str] = []

    def take(self, text: str) -> tuple[str, str]:
        """What is committed, and what stands behind it for now."""
        words = text.split()
        kept = len(self._committed)
        if [_plain(word) for word in words[:kept]] != [_plain(word) for word in self._committed]:
            self._before = words
            return " ".join(self._committed), ""
        agreed = kept
        for old, new in zip(self._before[kept:], words[kept:], strict=False):
            if _plain(old) != _plain(new):
                break
            agreed += 1
        if agreed == len(words):  # the last word may have been cut in the middle
            agreed = max(kept, agreed - 1)
        self._committed = words[:agreed]
        self._before = words
        return " ".join(self._committed), " ".join(words[agreed:])


def _plain(word: str) -> str:
    return _PLAIN.sub("", word).lower()


class Partials:
    """At most one look at a time for each source; one that is late is not made up for."""

    def __init__(self, ctx: Context, tasks: asyncio.TaskGroup) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._agreements: dict[str, tuple[str, Agreement]] = {}

    def look(self, event: SpeechGrew, read: Callable[[str], Awaitable[None]]) -> None:
        """`read` is given all words so far, without the mark behind them: most of them stand."""
        if event.source in self._looks:
            return
        task = self._tasks.create_task(self._look(event, read), name=f"look ahead {event.source}")
        self._looks[event.source] = task
        task.add_done_callback(lambda _: self._looks.pop(event.source, None))

    def stop(self, source: str) -> None:
        """The speaker is silent: whatever looks ahead now is in the way."""
        if (task := self._looks.get(source)) is not None:
            task.cancel()

    def forget(self, source: str) -> None:
        self.stop(source)
        self._agreements.pop(source, None)

    async def _look(self, event: SpeechGrew, read: Callable[[str], Awaitable[None]]) -> None:
        try:
            found = await self._ctx.request(Transcribe(pcm=event.pcm, partial=True), within=_LOOK_WITHIN_S)
        except SoloError as error:
            self._ctx.log.debug("no look ahead", source=event.source, code=error.code)
            return
        text = strip_wake_phrase(found.text, event.wake_word) if event.wake_word else found.text
        utterance, agreement = self._agreements.get(event.source, ("", Agreement()))
        if utterance != event.utterance:
            agreement = Agreement()
        self._agreements[event.source] = (event.utterance, agreement)
        committed, tentative = agreement.take(text)
        grown = TranscriptGrew(source=event.source, utterance=event.utterance, committed=committed, tentative=tentative)
        self._ctx.publish(grown)
        if words := f"{committed} {tentative}".strip().rstrip(_END_MARKS):
            await read(words)
