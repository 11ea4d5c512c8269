"""What is written down of who did what, and whether it is still as it was written."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Event, Request


class AnomalySeen(Event):
    """Somebody behaves as nobody should."""

    pattern: str
    """`stuffing`, `odd_hour`, `export`, `burst`."""
    subject: str
    """Address, key or user, for people."""
    detail: str
    """One line: what was seen, and the threshold that it passed."""


class AuditEntry(BaseModel):
    """One thing that happened."""

    model_config = ConfigDict(frozen=True)

    action: str
    """`login.ok`, `login.failed`, `denied`, `key.created`, `key.revoked`, `user.changed`, `config.changed`,
    `anomaly.stuffing` ..."""
    outcome: Literal["ok", "denied", "failed"] = "ok"
    """What came of it."""
    actor: str = ""
    """Name of who did it; empty: nobody known."""
    principal: str = ""
    """Id of the key or session."""
    address: str = ""
    """Of the client; empty: none."""
    method: str = ""
    """Of HTTP, or WS; empty: it was no request."""
    route: str = ""
    """As the table of routes writes it, never with ids of others or a query."""
    code: str = ""
    """Error code of a denial."""
    detail: str = ""
    """One line; never a secret, never what was said."""
    count: int = 1
    """How many alike it stands for."""


class AuditRow(AuditEntry):
    """As it is kept."""

    seq: int
    """Its place, counted from 1."""
    at: str
    """ISO 8601."""
    hash: str
    """SHA-256 over the row and the hash before it, hexadecimal."""


class RecordAudit(Request[None]):
    """Write down; answered when it is taken, written within a second."""

    entries: tuple[AuditEntry, ...]
    """In the order in which it happened."""


class ReadAudit(Request[tuple[AuditRow, ...]]):
    """Newest first."""

    idempotent = True

    limit: int = Field(default=100, ge=1, le=1000)
    """How many at most."""
    before: int | None = None
    """Only rows with a lower `seq`."""
    action: str = ""
    """Only actions that begin so."""


class AuditVerdict(BaseModel):
    """Whether the log is whole."""

    model_config = ConfigDict(frozen=True)

    whole: bool
    """Every row is as it was written, and none is missing."""
    rows: int
    """How many were looked at."""
    broken_at: int | None = None
    """`seq` of the first row that is not as it was written, or that follows a gap."""
    reason: str = ""
    """What is wrong; empty: nothing."""


class VerifyAudit(Request[AuditVerdict]):
    """Recompute the chain of hashes."""

    idempotent = True
