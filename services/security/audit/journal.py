"""Takes what happened at once and writes it a moment later, many at a time, as the log's only writer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from services.messages.audit import AuditEntry
from services.security.audit.chain import MOST_COUNT, tidy
from services.security.audit.store import AuditStore, Noted
from solo.logs import get_logger
from solo.storage import DatabaseError

MOST_WAITING = 10_000
"""Entries that differ and wait to be written; further ones are counted, and written as one row `audit.lost`."""
COLLECT_S = 0.5
"""Entries that come within this are written together, those that are alike as one row."""
_BATCH = 500
_PAUSE_S = (0.5, 10.0)
"""Before another attempt, when the database is away."""
LAST_WITHIN_S = 3.0
"""Longest that the last entries may take to be written when Solo stops."""


class Journal:
    """Outlives a crash of its service. Entries that wait are lost with the daemon, not with the database."""

    def __init__(self, store: AuditStore, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall
        self._waiting: dict[AuditEntry, tuple[datetime, int]] = {}
        self._batch: list[Noted] = []
        self._grown = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._log = get_logger(service="security")
        self.lost = 0
        """Entries not written yet as lost."""

    def take(self, entries: Iterable[AuditEntry]) -> None:
        """Never waits."""
        now = datetime.fromtimestamp(self._wall(), UTC)
        for entry in entries:
            alike, count = tidy(entry.model_copy(update={"count": 1})), max(1, entry.count)
            at, before = self._waiting.get(alike, (now, 0))
            if not before and len(self._waiting) >= MOST_WAITING:
                self.lost = min(self.lost + count, MOST_COUNT)
            else:
                self._waiting[alike] = (at, min(before + count, MOST_COUNT))
        self._grown.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Write until it is asked to stop, and then what is left."""
        pause = _PAUSE_S[0]
        while not stopping.is_set():
            self._grown.clear()
            if not (self._waiting or self._batch or self.lost):
                await _first(self._grown.wait(), stopping.wait())
            await _first(asyncio.sleep(COLLECT_S), stopping.wait())
            try:
                await self.flush()
                pause = _PAUSE_S[0]
            except DatabaseError as error:
                self._log.warning("the audit log waits for the database", code=error.code, waiting=len(self._waiting))
                await _first(asyncio.sleep(pause), stopping.wait())
                pause = min(2 * pause, _PAUSE_S[1])
        try:
            async with asyncio.timeout(LAST_WITHIN_S):
                await self.flush()
        except (DatabaseError, TimeoutError):
            self._log.error("audit entries were not written", entries=len(self._waiting) + len(self._batch))

    async def flush(self) -> None:
        """Everything that waits. Raises DatabaseError, and has lost nothing then."""
        async with self._flushing:
            if self._batch or self._waiting or self.lost:
                await self._look_at_anchor()
            while self._batch or self._waiting or self.lost:
                if not self._batch:
                    self._batch = self._next()
                head = await self._store.append(self._batch)
                self._batch = []
                try:
                    await self._store.move_anchor(head)
                except OSError as error:
                    self._log.warning("the end of the audit log was not noted beside it", error=error.strerror)

    def _next(self) -> list[Noted]:
        taken = []
        for entry in list(self._waiting)[:_BATCH]:
            at, count = self._waiting.pop(entry)
            taken.append((at, entry.model_copy(update={"count": count})))
        if self.lost:
            text = f"the queue was full: {self.lost} entries were not written"
            lost = AuditEntry(action="audit.lost", outcome="failed", detail=text, count=self.lost)
            taken.append((datetime.fromtimestamp(self._wall(), UTC), lost))
            self.lost = 0
        return taken

    async def _look_at_anchor(self) -> None:
        """Does the log still have the row that it ended with last time? If not, that is written down: the anchor moves
        on, and would show it no longer."""
        anchor = await self._store.anchor()
        if anchor is not None and anchor.seq and await self._store.hash_of(anchor.seq) != anchor.hash:
            text = f"row {anchor.seq} is not there as it was written: rows were cut off, or a backup was restored"
            self.take([AuditEntry(action="audit.cut", outcome="failed", detail=text)])


async def _first(*waits: object) -> None:
    """Returns when the first of them is done; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
