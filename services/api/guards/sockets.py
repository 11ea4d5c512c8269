"""Everything that is open, and of whom: a key that is revoked takes its sockets and streams with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.messages.security import Principal

_LONGEST_S = 86_400.0
"""One timer is set for a day at most, and then anew: the wall clock, by which things expire, may be set meanwhile."""


class Opened:
    """One request or WebSocket under way, in the task that made it."""

    __slots__ = ("_lasting", "_task", "_timer", "ended", "who")

    def __init__(self, who: Principal) -> None:
        self.who = who
        self.ended = ""
        """Why it has to end; empty: it has not."""
        self._lasting = False
        self._timer: asyncio.TimerHandle | None = None
        task = asyncio.current_task()
        assert task is not None
        self._task = task

    def last(self) -> None:
        """It is a stream or a WebSocket: it ends with its caller's credential, not before its caller likes."""
        self._lasting = True
        self._watch()

    def end(self, reason: str) -> None:
        """Cancel it, if it lasts. An ordinary request is answered: it may be the very one that ends its session."""
        if not self.ended:
            self.ended = reason
            if self._lasting:
                self._task.cancel()

    def was_ended(self) -> bool:
        """Asked by who caught a cancellation: was it ours, and ours alone?"""
        return bool(self.ended) and self._lasting and self._task.uncancel() == 0

    def close(self) -> None:
        self._lasting = False
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        if self.who.expires_at is None:
            return
        left = self.who.expires_at - time.time()
        if left <= 0:
            self.end("expired")
        else:
            self._timer = asyncio.get_running_loop().call_later(min(left, _LONGEST_S), self._watch)


class Sockets:
    def __init__(self) -> None:
        self._open: set[Opened] = set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def opened(self, who: Principal) -> Iterator[Opened]:
        """Under way inside the block."""
        one = Opened(who)
        self._open.add(one)
        try:
            yield one
        finally:
            one.close()
            self._open.discard(one)

    def end(self, whose: Callable[[Principal], bool], reason: str) -> None:
        for one in [one for one in self._open if whose(one.who)]:
            one.end(reason)
