"""The history of each talk, for as long as it goes on; one from before a restart is taken up again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.messages.language import ChatMessage

MOST_TALKS = 64
MOST_EXCHANGES = 20
"""More than a small model can use; the engine drops what does not fit its context, and says so."""
STEP = 5
"""So many exchanges leave a full talk at once: the prompt's beginning changes seldom, and stays in the cache."""
_SUMMARY = "Summary of this conversation so far: "


class Absent(NamedTuple):
    """Messages of a talk that are not in its history word by word."""

    summarised: int = 0
    """Present in the summary."""
    gone: int = 0
    """Not at all."""


NOTHING_ABSENT = Absent()


@dataclass(slots=True)
class Talk:
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    """Question and answer, oldest first."""
    summary: str = ""
    """What came before them; empty: nothing, or nobody knows."""
    summarised: int = 0
    """Exchanges that the summary stands for."""
    gone: int = 0
    """Exchanges that left without a summary."""
    last: float = 0.0

    @property
    def left(self) -> int:
        """Exchanges that were said before the first one here."""
        return self.summarised + self.gone

    def summarise(self, summary: str, first: int, count: int) -> None:
        """The summary takes the place of `count` exchanges, the first of which is number `first` of the talk.

        Some of them may have left meanwhile.
        """
        left_meanwhile = min(self.left - first, count)
        del self.exchanges[: count - left_meanwhile]
        self.gone -= left_meanwhile
        self.summarised += count
        self.summary = summary


class Talks:
    """By profile and name. Outlives a crash of its service: made where the service is declared."""

    def __init__(self, forget_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.forget_after_s = forget_after_s
        self._clock = clock
        self._talks: OrderedDict[tuple[str, str], Talk] = OrderedDict()

    def find(self, profile: str, name: str) -> Talk | None:
        """None for a new talk or one that has been silent too long."""
        talk = self._talks.get((profile, name))
        if talk is not None and self._clock() - talk.last > self.forget_after_s:
            del self._talks[profile, name]
            return None
        return talk

    def history(self, profile: str, name: str) -> tuple[ChatMessage, ...]:
        """Its summary if there is one, then what was said, oldest first; empty for a new talk."""
        talk = self.find(profile, name)
        if talk is None:
            return ()
        messages = [ChatMessage(role="system", content=_SUMMARY + talk.summary)] if talk.summary else []
        for heard, said in talk.exchanges:
            messages.append(ChatMessage(role="user", content=heard))
            messages.append(ChatMessage(role="assistant", content=said))
        return tuple(messages)

    def absent(self, profile: str, name: str) -> Absent:
        talk = self.find(profile, name)
        return NOTHING_ABSENT if talk is None else Absent(2 * talk.summarised, 2 * talk.gone)

    def last_answer(self, profile: str, name: str) -> str:
        """Empty when there is none."""
        talk = self.find(profile, name)
        return talk.exchanges[-1][1].strip() if talk is not None and talk.exchanges else ""

    def is_new(self, profile: str, name: str) -> bool:
        """Nothing was said in it since the start, and nothing from before has been looked for."""
        return (profile, name) not in self._talks

    def begin_afresh(self, profile: str, name: str) -> None:
        """Nothing of it counts from now on; its record stays with the chats, and is not taken up again."""
        self._talks.pop((profile, name), None)
        self._latest(profile, name)

    def take_up(self, profile: str, name: str, exchanges: Sequence[tuple[str, str]]) -> None:
        """What was said in it before the daemon's start, oldest first; what was said meanwhile stays."""
        if exchanges and self.is_new(profile, name):
            for heard, said in exchanges:
                self.remember(profile, name, heard, said)

    def remember(self, profile: str, name: str, heard: str, said: str) -> None:
        self.find(profile, name)  # forgets an old one of this name
        talk = self._latest(profile, name)
        talk.exchanges.append((heard, said))
        if len(talk.exchanges) > MOST_EXCHANGES:
            del talk.exchanges[:STEP]
            talk.gone += STEP

    def _latest(self, profile: str, name: str) -> Talk:
        """That one, which is the last to have been used; the one unused for longest makes room."""
        talk = self._talks.setdefault((profile, name), Talk())
        talk.last = self._clock()
        self._talks.move_to_end((profile, name))
        while len(self._talks) > MOST_TALKS:
            self._talks.popitem(last=False)
        return talk
