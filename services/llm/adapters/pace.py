"""How many prompt tokens a step may take, so that nobody's next word waits long for somebody else's prompt."""

from __future__ import annotations

SHARE = 1.5
"""What a step's prompt tokens may cost, in steps of those who are writing: below the two steps by which a long prompt
may delay them, with room for what the estimate is wrong by."""
ALONE_S = 0.25
"""A step of prompt tokens alone: the longest that a question which comes meanwhile waits before it is looked at."""
WEIGHT = 0.2
"""Of a new measurement in the running mean."""


class Pace:
    """Learns what a token costs: written (one row a stream and its sampling) and read (many rows, nothing sampled)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.written_s = 0.0
        """Of one stream's token."""
        self.read_s = 0.0
        """Of one prompt token."""

    def reading(self, writers: int) -> int:
        """Prompt tokens that the next step may take beside `writers` streams."""
        if self.read_s <= 0.0:
            return self._most
        seconds = SHARE * writers * self.written_s if writers else ALONE_S
        return max(1, min(self._most, int(seconds / self.read_s)))

    def step(self, seconds: float, written: int, read: int) -> None:
        """A step took so long; mixed ones teach nothing about either."""
        if written and not read:
            self.written_s = _mean(self.written_s, seconds / written)
        elif read > 1 and not written:  # small pieces and those far back in a long prompt cost more a token
            self.read_s = _mean(self.read_s, seconds / read)

    def usual(self, written: int, read: int) -> float:
        """Seconds that such a step usually takes; 0: unknown."""
        if (written and not self.written_s) or (read and not self.read_s):
            return 0.0
        return written * self.written_s + read * self.read_s


def _mean(old: float, new: float) -> float:
    return new if old == 0.0 else old + WEIGHT * (new - old)
