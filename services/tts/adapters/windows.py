"""How many frames of a sentence are made in one go: few at first, then more, as playing leaves time for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 16
"""Frames of the first window, about 0.2 s of sound: so much plays while the second is made."""
SILENT_S = 0.05
"""Of what a voice begins with cannot be heard, is cut, and does not play meanwhile."""
MOST = 128
"""Frames of the longest, about 1.5 s: between windows an asker may leave."""
SAFETY = 2.0
"""How many times slower than measured a window may come, since others want the processor too."""
_FORGETS = 0.2
"""Share of the newest measurement in the cost of a frame."""


@dataclass(slots=True)
class Pace:
    """What a frame costs and what it plays."""

    frame_s: float
    """Seconds that a frame plays."""
    margin: int
    """Frames that are made beside every window, and thrown away, so that joints cannot be heard."""
    cost_s: float = 0.0
    """Seconds to make one frame, as measured."""

    def measured(self, frames: int, seconds: float) -> None:
        """A window of `frames`, its margins included, took `seconds`."""
        cost = seconds / max(1, frames)
        self.cost_s = cost if not self.cost_s else self.cost_s + _FORGETS * (cost - self.cost_s)

    def first(self, frames: int) -> int:
        """Frames of the first window of a sentence of `frames`.

        So many that their like is made in the time that they play; all of them when no window is long enough.
        """
        left_over = self.frame_s - SAFETY * self.cost_s
        if left_over <= 0:
            return frames
        enough = SAFETY * self.cost_s * self.margin / left_over
        return _whole(max(FIRST, int(enough) + 1), frames)

    def following(self, ahead_s: float, left: int) -> int:
        """Frames of the next window, with `left` to go, while so many seconds of sound have not been played yet.

        The more the better, since each window has margins; but they have to come before it is silent.
        """
        in_time = (ahead_s - SILENT_S) / (SAFETY * self.cost_s) - self.margin if self.cost_s else MOST
        return _whole(max(FIRST, int(min(MOST, in_time))), left)


def _whole(window: int, left: int) -> int:
    """A rest so short that it is hardly worth a window of its own is made with this one."""
    return left if left <= window + FIRST // 2 else window
