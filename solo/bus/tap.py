"""A tap on the road: everything that travels, in the order in which it does, for a recorder."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from solo.bus.message import Event, Message
from solo.errors import SoloError

MOST_CALL_BYTES = 8 * 1024 * 1024
"""Sound and text that are remembered of one call; of a stream that goes on for days the oldest answers go."""
_ITEM_BYTES = 200
"""About what an answer takes besides its own bytes."""
CANCELLED = "cancelled"
"""How a call ended whose asker left, or whose answerer went away."""


@dataclass(frozen=True, slots=True)
class Published:
    """A fact, and who said so."""

    at: float
    """Monotonic seconds."""
    event: Event
    by: str
    """Name of the service; `?`: nobody's."""


@dataclass(frozen=True, slots=True)
class Item:
    """One answer of a call."""

    at: float
    """Monotonic seconds when it was there."""
    answer: Any
    """As the answerer gave it."""


@dataclass(slots=True)
class Call:
    """A question with what became of it; it grows until it has ended."""

    at: float
    """Monotonic seconds when it was asked."""
    question: Message
    by: str
    """Name of the service that asks."""
    of: str
    """Name of the service that answers."""
    items: deque[Item] = field(default_factory=deque)
    """One for a request, many for a stream."""
    taken: deque[float] = field(default_factory=deque)
    """Of a stream: when the asker took each of `items`."""
    ended: float | None = None
    """Monotonic seconds; None: still under way."""
    error: SoloError | str | None = None
    """Why it failed; `CANCELLED`: somebody left; None: it did not."""
    forgotten: int = 0
    """Answers, the oldest, that are not in `items` any more."""
    size: int = 0
    """About how many bytes `items` take."""

    def answered(self, answer: Any) -> None:
        self.items.append(Item(time.monotonic(), answer))
        self.size += weight(answer)
        while self.size > MOST_CALL_BYTES and len(self.items) > 1:
            self._forget()

    def took(self) -> None:
        self.taken.append(time.monotonic())

    def end(self, error: SoloError | str | None) -> None:
        if self.ended is None:
            self.ended = time.monotonic()
            self.error = error

    def forget_before(self, at: float) -> None:
        """Of a stream that goes on: what is older than this is not wanted any more."""
        while self.items and self.items[0].at < at:
            self._forget()

    def copy(self) -> Call:
        """As it is now."""
        return Call(
            self.at, self.question, self.by, self.of, self.items.copy(), self.taken.copy(), self.ended, self.error,
            self.forgotten, self.size,
        )  # fmt: skip

    def _forget(self) -> None:
        self.size -= weight(self.items.popleft().answer)
        self.forgotten += 1
        if self.taken:
            self.taken.popleft()


Seen = Published | Call


class Tap:
    """What was seen waits here, at most `limit` of it; the oldest goes, and is counted. Never waits, never fails."""

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._waiting: deque[Seen] = deque()
        self._some = asyncio.Event()

    def published(self, event: Event, by: str) -> None:
        self._see(Published(time.monotonic(), event, by))

    def asked(self, question: Message, by: str, of: str) -> Call:
        call = Call(time.monotonic(), question, by, of)
        self._see(call)
        return call

    async def some(self) -> list[Seen]:
        """Everything that was seen since; waits until there is some."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        seen = list(self._waiting)
        self._waiting.clear()
        return seen

    def _see(self, seen: Seen) -> None:
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(seen)
        self._some.set()


def weight(message: Any) -> int:
    """About how many bytes it holds."""
    fields = getattr(message, "__dict__", None)
    if not fields:
        return _ITEM_BYTES
    return _ITEM_BYTES + sum(len(value) for value in fields.values() if isinstance(value, bytes | str))
