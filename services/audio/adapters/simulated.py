"""A loudspeaker without sound: takes what is played in real time, for devices that are none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from services.audio.adapters.playout import Loudspeaker, Playout

STEP_S = 0.01


class SimulatedLoudspeaker(Loudspeaker):
    """`_aired` is called with every 10 ms that would be heard, and their sample rate."""

    latency_s = 0.0
    """From the sample that is taken to the one in the air."""

    def __init__(self) -> None:
        super().__init__()
        self._clock: threading.Thread | None = None

    def _open_output(self, sample_rate: int) -> None:
        if self._clock is None:
            self._clock = threading.Thread(
                target=keep_taking, args=(self._playout, self.latency_s, self._aired), name="loudspeaker", daemon=True
            )
            self._clock.start()

    def _aired(self, pcm: bytes, sample_rate: int) -> None:
        return


def keep_taking(playout: Playout, latency_s: float, aired: Callable[[bytes, int], None]) -> None:
    """By an absolute schedule while there is sound; asleep while there is none."""
    while True:
        with playout.changed:
            while not playout.sounding:
                playout.changed.wait()
        due = time.monotonic()
        while True:
            with playout.changed:
                if not playout.sounding:
                    break
            samples = round(playout.rate * STEP_S)
            aired(playout.take(samples * 2, due + latency_s), playout.rate)
            due += STEP_S
            time.sleep(max(0.0, due - time.monotonic()))
