"""A bounded queue between a publisher that never waits and a subscriber that may be slow."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Generic, TypeVar

from solo.bus.errors import SlowSubscriber

M = TypeVar("M")

_YIELD_EVERY = 128
"""Messages handed out in a row before the loop gets a turn: a backlog must not block everybody else."""


class Overflow(StrEnum):
    """What happens to a message that does not fit."""

    DROP_OLDEST = "drop oldest"
    DROP_NEWEST = "drop newest"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    owner: str
    kind: str
    limit: int
    overflow: str
    waiting: int
    delivered: int
    dropped: int


class Mailbox(Generic[M]):
    """Iterate it to receive; leave the `async with` to unsubscribe. One consumer at a time."""

    def __init__(self, owner: str, kind: type[M], *, limit: int, overflow: Overflow) -> None:
        if limit < 1:
            raise ValueError("a mailbox holds at least one message")
        self.owner = owner
        self.kind = kind
        self.limit = limit
        self.overflow = overflow
        self.delivered = 0
        self.dropped = 0
        self._items: deque[M] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._closed = False
        self._failed = False
        self._in_a_row = 0

    def offer(self, message: M) -> None:
        """Put a message in, by the overflow policy when full. Never waits, never raises."""
        if self._closed or self._failed:
            return
        items = self._items
        if len(items) >= self.limit:
            self.dropped += 1
            if self.overflow is Overflow.DROP_NEWEST:
                return
            if self.overflow is Overflow.FAIL:
                self._failed = True
                self._wake()
                return
            items.popleft()
        items.append(message)
        if self._arrival is not None:
            self._wake()

    def close(self) -> None:
        """No more messages come; those waiting are still handed out."""
        self._closed = True
        self._wake()

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            self.owner,
            self.kind.__name__,
            self.limit,
            self.overflow.value,
            len(self._items),
            self.delivered,
            self.dropped,
        )

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _wait(self) -> None:
        self._in_a_row = 0
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def __aiter__(self) -> Mailbox[M]:
        return self

    async def __anext__(self) -> M:
        while True:
            if self._failed:
                raise SlowSubscriber(f"{self.owner} did not keep up with {self.kind.__name__} (limit {self.limit})")
            if self._items:
                break
            if self._closed:
                raise StopAsyncIteration
            await self._wait()
        self._in_a_row += 1
        if self._in_a_row >= _YIELD_EVERY:
            self._in_a_row = 0
            await asyncio.sleep(0)
        self.delivered += 1
        return self._items.popleft()

    async def __aenter__(self) -> Mailbox[M]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
