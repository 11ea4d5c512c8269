"""One question to an engine that has not been answered yet, on the daemon's side."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar

from solo.bus import DeadlineExceeded
from solo.bus.wait import Wait
from solo.errors import SoloError
from solo.isolation.frames import Frame

CREDIT = 32
"""Items an engine may send ahead of its consumer, where nobody says otherwise."""


class Pending:
    END: ClassVar[object] = object()

    def __init__(self, id: int, key: str, within: float, credit: int, late: str) -> None:
        """`late`: what to say of an engine that does not answer within `within` seconds."""
        self.id = id
        self.key = key
        self.within = within
        self._credit = credit
        self.ended = False
        self._items: deque[Any] = deque()
        self._value: Any = None
        self._error: SoloError | None = None
        self._changed = Wait()
        self._late = f"{late} within {within:.1f} s"
        self._taken = 0

    def take(self, frame: Frame) -> None:
        if frame["kind"] == "item":
            self._items.append(frame["value"])
        elif frame["kind"] == "done":
            self._value = frame["value"]
            self.ended = True
        else:
            self._error = SoloError.from_wire(frame)
            self.ended = True
        self._changed.wake()

    def fail(self, error: SoloError) -> None:
        self._error = error
        self.ended = True
        self._changed.wake()

    async def result(self) -> Any:
        """The answer, or the end of a stream. Raises its error, or `DeadlineExceeded`."""
        due = asyncio.get_running_loop().time() + self.within
        while not self.ended:
            await self._change(due)
        if self._error is not None:
            raise self._error
        return self._value

    async def next(self) -> Any:
        """The next item, or `END`. Items that came before an error are handed out before it is raised.
        Raises `DeadlineExceeded`."""
        if not self._items and not self.ended:
            await self._change(asyncio.get_running_loop().time() + self.within)
        if self._items:
            return self._items.popleft()
        if self._error is not None:
            raise self._error
        return self.END

    def taken(self) -> int:
        """Credit to give back to the engine, in lots of half of it; 0 in between."""
        self._taken += 1
        if self._taken < max(1, self._credit // 2) or self.ended:
            return 0
        lot, self._taken = self._taken, 0
        return lot

    def close(self) -> None:
        """Nobody waits for it any more."""
        self._changed.close()

    async def _change(self, due: float) -> None:
        try:
            await self._changed.until(due)
        except TimeoutError as error:
            raise DeadlineExceeded(self._late) from error
