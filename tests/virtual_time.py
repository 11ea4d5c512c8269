"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour of back-off takes no time.

Only for tests without sockets, subprocesses and threads: nothing from outside ever makes this loop wait.
While it runs, `time.monotonic` shows its clock too. A test in which everybody waits for something that will never
happen fails at once instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from unittest import mock

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
        with mock.patch("time.monotonic", self.time):
            super().run_forever()


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
