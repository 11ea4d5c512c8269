"""Is the event loop turning? A probe inside it measures the lag, a thread beside it sees it stuck."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from solo.logs import get_logger
from solo.supervision.state import LoopState

PROBE_S = 0.05


class LoopHealth:
    """Counts every time the loop was held for longer than `blocked_s`; ends the process after `abort_s`."""

    def __init__(self, *, blocked_s: float, abort_s: float, abort: Callable[[], None] = lambda: os._exit(70)) -> None:
        self._blocked_s = blocked_s
        self._abort_s = abort_s
        self._abort = abort
        self._lag = 0.0
        self._max_lag = 0.0
        self._blocked = 0
        self._beat = time.monotonic()
        self._reported = 0.0
        self._loop_thread = 0
        self._end = threading.Event()
        self._log = get_logger(service="loop")

    async def probe(self) -> None:
        """Runs in the loop until cancelled."""
        self._loop_thread = threading.get_ident()
        self._beat = time.monotonic()
        watcher = threading.Thread(target=self._watch, name="loop watchdog", daemon=True)
        watcher.start()
        try:
            while True:
                before = time.monotonic()
                await asyncio.sleep(PROBE_S)
                self._beat = time.monotonic()
                self._lag = max(0.0, self._beat - before - PROBE_S)
                self._max_lag = max(self._max_lag, self._lag)
                self._blocked += self._lag > self._blocked_s
        finally:
            self._end.set()

    def start_counting(self) -> None:
        """Forget the start, when everything loads at once."""
        self._max_lag = 0.0
        self._blocked = 0

    def state(self) -> LoopState:
        return LoopState(
            lag_ms=round(self._lag * 1000, 2), max_lag_ms=round(self._max_lag * 1000, 2), blocked=self._blocked
        )

    def _watch(self) -> None:
        """While the loop is stuck only another thread can say where."""
        while not self._end.wait(PROBE_S):
            beat = self._beat
            stuck = time.monotonic() - beat - PROBE_S
            if stuck > self._abort_s:
                self._log.critical("event loop stuck, giving up", seconds=round(stuck, 1), stack=self._stack())
                self._abort()
                return
            if stuck > self._blocked_s and beat != self._reported:
                self._reported = beat
                self._log.warning("event loop held", ms=round(stuck * 1000), stack=self._stack())

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # the documented way to look at a thread
        if frame is None:
            return ""
        entries = reversed(traceback.extract_stack(frame)[-8:])
        return " < ".join(f"{entry.name} ({Path(entry.filename).name}:{entry.lineno})" for entry in entries)
