"""The history of each talk, for as long as it goes on; one from before a restart is taken up again."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.messages.language import ChatMessage

MOST_TALKS = 64
MOST_EXCHANGES = 20
"""More than a small model can use; the engine drops what does not fit its context, and says so."""


@dataclass(slots=True)
class Talk:
    exchanges: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=MOST_EXCHANGES))
    last: float = 0.0


class Talks:
    """Outlives a crash of its service: made where the service is declared."""

    def __init__(self, forget_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.forget_after_s = forget_after_s
        self._clock = clock
        self._talks: OrderedDict[str, Talk] = OrderedDict()

    def history(self, name: str) -> tuple[ChatMessage, ...]:
        """Oldest first; empty for a new talk or one that has been silent too long."""
        talk = self._talks.get(name)
        if talk is None:
            return ()
        if self._clock() - talk.last > self.forget_after_s:
            del self._talks[name]
            return ()
        messages: list[ChatMessage] = []
        for heard, said in talk.exchanges:
            messages.append(ChatMessage(role="user", content=heard))
            messages.append(ChatMessage(role="assistant", content=said))
        return tuple(messages)

    def is_new(self, name: str) -> bool:
        """Nothing was said in it since the start, and nothing from before has been looked for."""
        return name not in self._talks

    def take_up(self, name: str, exchanges: Sequence[tuple[str, str]]) -> None:
        """What was said in it before the daemon's start, oldest first; what was said meanwhile stays."""
        if exchanges and self.is_new(name):
            for heard, said in exchanges:
                self.remember(name, heard, said)

    def remember(self, name: str, heard: str, said: str) -> None:
        self.history(name)  # forgets an old one of this name
        talk = self._talks.setdefault(name, Talk())
        talk.exchanges.append((heard, said))
        talk.last = self._clock()
        self._talks.move_to_end(name)
        while len(self._talks) > MOST_TALKS:
            self._talks.popitem(last=False)
