"""What all of the guard's service share: who there is, the one lock of its writers, what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.messages.audit import AnomalySeen, AuditEntry
from services.messages.security import CredentialsChanged
from services.security.anomalies import WATCHED, Anomaly, Monitor
from services.security.audit.journal import Journal
from services.security.errors import SecurityUnavailable
from services.security.image import Image
from services.security.store import SecurityStore
from solo.bus import Event
from solo.storage import DatabaseError


def _nobody(_: Event) -> None:
    """Before the service runs there is nobody to tell."""


@dataclass
class Security:
    """Outlives a crash of the service, but for what the database has."""

    store: SecurityStore
    journal: Journal
    image: Image = field(default_factory=Image)
    monitor: Monitor = field(default_factory=Monitor)
    wall: Callable[[], float] = time.time
    """Seconds since 1970."""
    publish: Callable[[Event], None] = _nobody
    stale: asyncio.Event = field(default_factory=asyncio.Event)
    """The database may have what the image does not: it is to be read again at once."""
    _writer: asyncio.Lock = field(default_factory=asyncio.Lock)

    def here(self) -> Image:
        """Who there is. Raises SecurityUnavailable before that was ever read."""
        if not self.image.loaded:
            raise SecurityUnavailable(hint="`solo db status` tells what the database is waiting for.")
        return self.image

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Image]:
        """One change at a time: what is looked at inside stays as it is."""
        async with self._writer:
            try:
                yield self.here()
            except (DatabaseError, asyncio.CancelledError):
                self.stale.set()  # nobody knows whether it was written
                raise

    async def load(self) -> None:
        """Raises DatabaseError."""
        async with self._writer:
            self.stale.clear()
            for changed in self.image.take(await self.store.load()):
                both = CredentialsChanged(principal=changed, user=changed, reason="revoked")
                self.publish(both)

    def changed(self, reason: str, *, user: str = "", principal: str = "") -> None:
        self.publish(CredentialsChanged(user=user, principal=principal, reason=reason))

    def record(self, *entries: AuditEntry) -> None:
        """Write down, and look whether there is a pattern in it."""
        self.journal.take(entry for entry in entries if entry.action != WATCHED)
        now = self.wall()
        for entry in entries:
            self.warn(self.monitor.see(entry, now))

    def warn(self, anomalies: list[Anomaly]) -> None:
        for one in anomalies:
            self.publish(AnomalySeen(pattern=one.pattern, subject=one.subject, detail=one.detail))
            text = f"{one.subject}: {one.detail}"
            self.journal.take([AuditEntry(action=f"anomaly.{one.pattern}", outcome="failed", detail=text)])
