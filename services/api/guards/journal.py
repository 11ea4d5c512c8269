"""What the guard has to say to the audit log: joined, batched, and never waited for by who is answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from services.messages.audit import AuditEntry, RecordAudit
from solo.errors import SoloError

MOST_WAITING = 2048
"""Entries that differ; of those that do not fit, only the number is written."""
JOINED_S = 1.0
"""What is alike within this is one entry with a count."""
SEEN = "seen"
"""An ordinary call: for who watches, and never kept, so that one which does not fit is nothing unwritten."""
RETRY_S = 5.0
"""After the log could take nothing."""
_BATCH = 256
_WITHIN_S = 10.0


class Journal:
    """`write` takes a note; `run`, one task, sends them."""

    def __init__(self, record: Callable[[RecordAudit, float], Awaitable[None]], log: Any) -> None:
        self._record = record
        self._log = log
        self._waiting: Counter[AuditEntry] = Counter()
        self._unwritten = 0
        self._something = asyncio.Event()
        self._pause_s = JOINED_S

    def write(self, entry: AuditEntry) -> None:
        self._take(entry, 1)
        self._something.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set or it is cancelled; what waits then is left to a last `flush`."""
        while not stopping.is_set():
            await self._something.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await stopping.wait()
            self._something.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send all that waits. What the log cannot take now waits for the next time."""
        waiting, self._waiting = self._waiting, Counter()
        unwritten, self._unwritten = self._unwritten, 0
        entries = [entry.model_copy(update={"count": count}) for entry, count in waiting.items()]
        if unwritten:
            entries.append(
                AuditEntry(action="unwritten", outcome="failed", detail="too many at a time", count=unwritten)
            )
        for start in range(0, len(entries), _BATCH):
            try:
                await self._record(RecordAudit(entries=tuple(entries[start : start + _BATCH])), _WITHIN_S)
            except SoloError as error:
                if self._pause_s == JOINED_S:  # said once
                    self._log.warning("the audit log takes nothing", code=error.code, waiting=len(entries) - start)
                self._pause_s = RETRY_S
                for entry in entries[start:]:
                    self._take(entry.model_copy(update={"count": 1}), entry.count)
                self._something.set()
                return
        self._pause_s = JOINED_S

    def _take(self, entry: AuditEntry, count: int) -> None:
        if entry in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[entry] += count
        elif entry.action != SEEN:
            self._unwritten += count
