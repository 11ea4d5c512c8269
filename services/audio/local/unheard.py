"""What of an answer the loudspeaker still owes, should it have to begin anew. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_SAMPLE = 2

Piece = tuple[bytes, int]
"""Sound (s16le mono) and its sample rate."""


@dataclass(slots=True)
class Unheard:
    """The pieces of one answer, in order; what has been heard is forgotten."""

    key: str = ""
    """Which answer, as the device is told it."""
    heard_s: float = 0.0
    base_s: float = 0.0
    """Heard before the device that plays now was opened; that one counts from there."""
    _pieces: deque[tuple[float, bytes, int]] = field(default_factory=deque)
    """Each with the second of the answer at which it begins."""
    _end_s: float = 0.0

    def begin(self, key: str) -> None:
        self.key = key
        self.heard_s = self.base_s = self._end_s = 0.0
        self._pieces.clear()

    def add(self, pcm: bytes, rate: int) -> None:
        self._pieces.append((self._end_s, pcm, rate))
        self._end_s += len(pcm) / _SAMPLE / rate

    def heard(self, played_s: float) -> float:
        """The present device has played so much; answered with how much of the whole answer that makes."""
        self.heard_s = max(self.heard_s, min(self.base_s + played_s, self._end_s))
        while self._pieces and _end(self._pieces[0]) <= self.heard_s:
            self._pieces.popleft()
        return self.heard_s

    def again(self) -> list[Piece]:
        """For a device that has just been opened: everything that has not been heard, from the very sample."""
        self.base_s = self.heard_s
        rest: list[Piece] = []
        for start, pcm, rate in self._pieces:
            skip = max(0, round((self.heard_s - start) * rate)) * _SAMPLE
            if skip < len(pcm):
                rest.append((pcm[skip:], rate))
        return rest

    def forget(self) -> None:
        self._pieces.clear()
        self._end_s = self.heard_s


def _end(piece: tuple[float, bytes, int]) -> float:
    start, pcm, rate = piece
    return start + len(pcm) / _SAMPLE / rate
