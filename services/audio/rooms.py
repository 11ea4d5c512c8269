"""Several sources of one room hear the same wake word: the first one answers."""

from __future__ import annotations

from services.messages.audio import WakeWordHeard

TOGETHER_S = 1.0
"""Wake words of one room within so many seconds are one."""


class Rooms:
    def __init__(self) -> None:
        self._woke: dict[str, tuple[str, float]] = {}

    def is_first(self, room: str | None, event: WakeWordHeard) -> bool:
        """The same source may be woken again at once; a source without a room is alone."""
        if room is None:
            return True
        source, at = self._woke.get(room, ("", float("-inf")))
        if source != event.source and event.monotonic - at < TOGETHER_S:
            return False
        self._woke[room] = (event.source, event.monotonic)
        return True
