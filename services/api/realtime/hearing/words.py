"""What was said, and whether it sounds finished: work that begins in the speaker's pause."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

from services.api.realtime.shape import SemanticVad, Transcription
from services.messages.speech import Transcribe, Transcript
from services.messages.turntaking import JudgeTurnEnd
from solo.errors import SoloError
from solo.supervision import Context

T = TypeVar("T")
_TRANSCRIBE_WITHIN_S = 60.0
_JUDGE_WITHIN_S = 1.0
WAITS_MS = {"high": (250, 800), "medium": (400, 1600), "auto": (400, 1600), "low": (800, 3000)}
"""By eagerness: silence after what sounds finished, and after what does not."""
_FINISHED = re.compile(r"[.!?。！？][\"'”’)\]]*$")
_UNFINISHED = re.compile(
    r"(?:\.\.\.|…|,|\b(?:and|or|but|because|if|when|which|the|a|an|to|of|in|on|at|with|for|from|my|your)\.?)$",
    re.IGNORECASE,
)
"""Recognisers put a full stop behind everything; these words end no statement."""


class Words:
    """The tasks of one session that find out what was said; all of them end with it."""

    def __init__(self, ctx: Context, source: str, profile: str) -> None:
        self._ctx = ctx
        self._source = source
        self._profile = profile
        self._work: set[asyncio.Task[Any]] = set()

    def of(self, pcm: bytes, hints: Transcription | None) -> asyncio.Task[Transcript]:
        """s16le 16 kHz; awaited it may raise a SoloError."""
        hints = hints or Transcription()
        question = Transcribe(pcm=pcm, language=hints.language, prompt=hints.prompt)
        return self._begin(self._ctx.request(question, within=_TRANSCRIBE_WITHIN_S))

    def wait_ms(self, pcm: bytes, said: asyncio.Task[Transcript], how: SemanticVad) -> asyncio.Task[float]:
        """Silence after which the turn is to be taken for finished."""
        return self._begin(self._judge(pcm, said, how))

    async def close(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def _judge(self, pcm: bytes, said: asyncio.Task[Transcript], how: SemanticVad) -> float:
        short, long = WAITS_MS[how.eagerness]
        try:
            end = await self._ctx.request(JudgeTurnEnd(source=self._source, pcm=pcm), within=_JUDGE_WITHIN_S)
            return min(max(end.wait_ms, short), long)
        except SoloError:  # nobody here has a model for that: the words have to do
            try:
                return short if finished((await said).text) else long
            except SoloError:
                return long

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=f"words of {self._source}")
        self._work.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            task.exception()  # a guess that nobody asks for any more may have failed


def finished(text: str) -> bool:
    """By its words alone, does this end here?"""
    text = text.strip()
    return bool(_FINISHED.search(text)) and not _UNFINISHED.search(text)
