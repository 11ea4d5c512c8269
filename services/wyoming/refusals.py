"""Counts who was refused at Wyoming's door, and has it written into the audit log, joined."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from services.messages.audit import AuditEntry, RecordAudit
from solo.errors import SoloError
from solo.supervision import Context

JOINED_S = 1.0
"""What is alike within this is one entry with a count."""
MOST_WAITING = 256
"""Entries that differ; of further ones only the number is kept."""
_WITHIN_S = 5.0


class Refusals:
    def __init__(self) -> None:
        self.total = 0
        """Since the service started."""
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._some = asyncio.Event()

    def note(self, address: str, error: SoloError) -> None:
        """Somebody at this address was refused for this reason."""
        self.total += 1
        about = (address, error.code)
        if about not in self._waiting and len(self._waiting) >= MOST_WAITING:
            about = ("", error.code)
        self._waiting[about] += 1
        self._some.set()

    async def run(self, ctx: Context) -> None:
        """Until cancelled; what the log cannot take is only counted."""
        while True:
            await self._some.wait()
            await asyncio.sleep(JOINED_S)
            self._some.clear()
            waiting, self._waiting = self._waiting, Counter()
            entries = tuple(
                AuditEntry(action="denied", outcome="denied", address=address, route="wyoming", code=code, count=count)
                for (address, code), count in waiting.items()
            )
            with suppress(SoloError):  # a Solo without an audit log goes on counting
                await ctx.request(RecordAudit(entries=entries), within=_WITHIN_S)
