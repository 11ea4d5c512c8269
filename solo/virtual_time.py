"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour of back-off takes no time.

For what needs no sockets, subprocesses and threads, such as tests and a recording that is played again: nothing from
outside ever makes this loop wait. While it runs, `time.monotonic` shows its clock too. When everybody waits for
something that will never happen, that is said at once instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
import time

START = 1_000_000.0
"""Virtual seconds at the start; far from zero, as a real monotonic clock is."""


class EverybodyWaits(RuntimeError):
    """No timer is set and no task can go on."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = START
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def run_forever(self) -> None:
        real = time.monotonic
        time.monotonic = self.time
        try:
            super().run_forever()
        finally:
            time.monotonic = real


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise EverybodyWaits("every task waits for something that will never happen")
            self._loop.jump(timeout)
        return ready
