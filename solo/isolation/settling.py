"""Calls that were left while the engine worked on them: until it says that it has stopped, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Iterator


class Settling:
    """Cancellation as a measured thing: from the moment the asker left to the engine's word that the call is over."""

    def __init__(self, within: float) -> None:
        """`within`: seconds after which an engine that goes on is taken for hung."""
        self._within = within
        self._left: dict[int, float] = {}
        self.count = 0
        """Calls that were left and have ended since."""
        self.last_s = 0.0
        """What the last one took."""
        self.worst_s = 0.0
        """The longest so far."""

    def __iter__(self) -> Iterator[int]:
        return iter(self._left)

    def __len__(self) -> int:
        return len(self._left)

    def begin(self, call: int) -> None:
        self._left[call] = time.monotonic()

    def ended(self, call: int) -> None:
        """The engine has ended a call; nothing happens when that one was not left."""
        if (left := self._left.pop(call, None)) is not None:
            self.count += 1
            self.last_s = time.monotonic() - left
            self.worst_s = max(self.worst_s, self.last_s)

    def late(self) -> bool:
        """One of them should have ended long ago."""
        return any(time.monotonic() - left > self._within for left in self._left.values())

    def figures(self) -> dict[str, float]:
        """For `/status`: `cancelled` calls, and the milliseconds that the last and the worst took to end."""
        if not self.count:
            return {}
        return {
            "cancelled": self.count,
            "cancel_ms": round(self.last_s * 1000, 1),
            "cancel_ms_worst": round(self.worst_s * 1000, 1),
        }
