"""Turns that are begun in a pause, and become real when the pause was the end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from services.conversation.turn import Turn
from services.messages.audio import UtteranceHeard, UtterancePaused
from services.messages.turntaking import Speculated
from solo.supervision import Context

MOST_TRIES = 3
"""Pauses of one utterance in which an answer is begun; in later ones it is only transcribed."""


@dataclass(frozen=True, slots=True)
class Proposal:
    utterance: str
    pause: int
    turn: Turn
    task: asyncio.Task[None]
    began: float


class Proposals:
    """At most one for each source; speech that goes on makes it worthless."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._open: dict[str, Proposal] = {}

    def add(self, event: UtterancePaused, turn: Turn, task: asyncio.Task[None]) -> None:
        self._open[event.source] = Proposal(event.utterance, event.pause, turn, task, time.monotonic())

    def take(self, event: UtteranceHeard) -> Proposal | None:
        """The one that was begun at the utterance's last pause, when nothing was said after it."""
        found = self._open.pop(event.source, None)
        if found is None:
            return None
        if (found.utterance, found.pause) != (event.utterance, event.pause):
            self._end(event.source, found)
            return None
        self._ctx.publish(Speculated(source=event.source, hit=True, saved_ms=_since(found.began)))
        return found

    def drop(self, source: str) -> None:
        """The speaker goes on, or has left."""
        if (found := self._open.pop(source, None)) is not None:
            self._end(source, found)

    def drop_all(self) -> None:
        for source in list(self._open):
            self.drop(source)

    def _end(self, source: str, one: Proposal) -> None:
        one.task.cancel()
        self._ctx.publish(Speculated(source=source, hit=False, spent_ms=_since(one.began)))


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
