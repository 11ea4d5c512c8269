"""Between those who measure and the database: a bounded buffer that never makes anybody wait, written in batches."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

from services.messages.metrics import MetricsState
from services.metrics.store import Point, SeriesKey
from solo.logs import get_logger
from solo.storage.errors import DatabaseError

MOST_WAITING = 50_000
"""Values kept while the database is away: 10 h of looks at six engines (13 values every 10 s), in 7 MB."""
MOST_SERIES = 2_000
"""Different names and labels; what comes beyond is counted as dropped, since each would stay for ever."""
BATCH = 2_000
"""Values that are written at once: a few milliseconds of the event loop."""
EVERY_S = 1.0
"""Seconds between two writes, while fewer than `BATCH` wait."""
_RENAME_S = 600.0
"""Seconds after which series are written down again: the database may be another one by then."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_LONGEST_LABEL = 200


class Store(Protocol):
    async def name(self, series: Iterable[SeriesKey]) -> None: ...

    async def add(self, points: list[Point]) -> None: ...

    async def has(self, point: Point) -> bool: ...


class Recorder:
    """Outlives a crash of its service: made where the service is declared. When it is full the oldest values go."""

    def __init__(
        self, store: Store, *, most: int = MOST_WAITING, batch: int = BATCH, most_series: int = MOST_SERIES
    ) -> None:
        self._store = store
        self._most = most
        self._batch = batch
        self._most_series = most_series
        self._waiting: deque[Point] = deque()
        self._ids: dict[SeriesKey, int] = {}
        self._unnamed: set[SeriesKey] = set()
        self._named_at = 0.0
        self._sent = 0
        """Values in the call that is under way, or that failed and may have been done all the same."""
        self._uncertain = 0
        """Those of them that are still in the buffer; they are its oldest."""
        self._written = 0
        self._dropped = 0
        self._failure: str | None = None
        self._failures = 0
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ending = False
        self._log = get_logger(service="metrics")
        self.on_change: Callable[[str | None], None] = lambda _: None
        """Called with why writing fails, when it begins to, and with None when it works again."""

    def record(
        self, name: str, value: float, labels: Mapping[str, str] | None = None, *, wall: float | None = None
    ) -> None:
        """Keep a value, measured now or at `wall` (seconds since 1970 UTC). Never waits, never fails."""
        series = self._id(SeriesKey.of(name, labels or {}))
        if series is None or not math.isfinite(value):
            self._dropped += 1
            return
        at = datetime.fromtimestamp(time.time() if wall is None else wall, UTC)
        if len(self._waiting) >= self._most:
            self._drop_oldest()
        self._waiting.append((at, series, float(value)))
        self._some.set()
        if len(self._waiting) >= self._batch:
            self._full.set()

    def state(self) -> MetricsState:
        return MetricsState(
            waiting=len(self._waiting), written=self._written, dropped=self._dropped, last_error=self._failure
        )

    async def run(self, stopping: asyncio.Event, *, drain_s: float) -> None:
        """Write until asked to stop, and then for at most `drain_s` seconds what is left."""
        self._ending = False
        writing = asyncio.create_task(self._write_until_ending(), name="metrics: write")
        asked = asyncio.create_task(stopping.wait(), name="metrics: stopping")
        try:
            await asyncio.wait({writing, asked}, return_when=asyncio.FIRST_COMPLETED)
            self._ending = True
            self._some.set()
            self._full.set()
            self._hurry.set()
            await asyncio.wait({writing}, timeout=drain_s)
        finally:
            asked.cancel()
            writing.cancel()
            await asyncio.wait({writing})
            self._hurry.clear()
            self._mark()
        if not writing.cancelled():
            await writing  # it may have crashed
        if self._waiting:
            self._log.warning("figures not written", waiting=len(self._waiting), why=self._failure)

    async def _write_until_ending(self) -> None:
        while self._waiting or not self._ending:
            await self._some.wait()
            await _at_most(EVERY_S, self._full)
            try:
                await self._write()
            except DatabaseError as error:
                self._failures += 1
                self._say(error.line())
                if self._ending:
                    return
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 16))
                await _at_most(pause * random.uniform(0.8, 1.2), self._hurry)

    async def _write(self) -> None:
        """One batch. While it is under way its values stay the oldest of the buffer, so a failure loses none."""
        now = time.monotonic()
        if self._failures or now - self._named_at > _RENAME_S:
            self._unnamed.update(self._ids)
        if self._unnamed:
            naming = set(self._unnamed)
            await self._store.name(naming)
            self._unnamed -= naming
            self._named_at = now
        if self._uncertain:
            await self._settle()
        batch = list(islice(self._waiting, self._batch))
        if batch:
            self._sent = self._uncertain = len(batch)
            await self._store.add(batch)
            self._take()
        self._failures = 0
        self._say(None)

    async def _settle(self) -> None:
        """A COPY that was cut off has been done or not, all of it; its oldest value that is still here tells.

        A server that goes on with it after it was asked makes them double; that takes one that froze between the two.
        """
        if await self._store.has(self._waiting[0]):
            self._take()
        self._uncertain = 0

    def _take(self) -> None:
        """They are written, also those of them that were dropped from the buffer meanwhile."""
        self._dropped -= self._sent - self._uncertain
        self._written += self._sent
        for _ in range(self._uncertain):
            self._waiting.popleft()
        self._uncertain = 0
        if not self._ending:
            self._mark()

    def _mark(self) -> None:
        """Say truly whether there are some, and whether there are enough."""
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < self._batch:
            self._full.clear()

    def _drop_oldest(self) -> None:
        self._waiting.popleft()
        self._dropped += 1
        self._uncertain = max(0, self._uncertain - 1)

    def _id(self, key: SeriesKey) -> int | None:
        known = self._ids.get(key)
        if known is not None:
            return known
        if len(self._ids) >= self._most_series or any(len(value) > _LONGEST_LABEL for _, value in key.labels):
            return None
        self._ids[key] = known = key.id
        self._unnamed.add(key)
        return known

    def _say(self, failure: str | None) -> None:
        before, self._failure = self._failure, failure
        if (before is None) != (failure is None):
            self.on_change(failure)


async def _at_most(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
