"""The chain of hashes: what a row is, in bytes, and what it seals."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from services.messages.audit import AuditEntry

GENESIS = bytes(32)
"""Stands for the hash before the first row."""
MOST_CHARACTERS = 500
"""Of a text in a row."""
MOST_COUNT = 2**31 - 1
"""PostgreSQL's integer."""
_TEXTS = ("action", "actor", "principal", "address", "method", "route", "code", "detail")


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends."""

    seq: int
    hash: bytes


EMPTY = Head(0, GENESIS)


def tidy(entry: AuditEntry) -> AuditEntry:
    """As PostgreSQL will give it back: bounded, and without what its text cannot hold."""
    texts = {name: _plain(getattr(entry, name)) for name in _TEXTS}
    return entry.model_copy(update={**texts, "count": max(1, min(entry.count, MOST_COUNT))})


def seal(before: bytes, seq: int, at: datetime, entry: AuditEntry) -> bytes:
    """SHA-256, 32 bytes, over the hash before and the row as a JSON array; `at` in UTC."""
    row = [
        seq,
        at.isoformat(timespec="microseconds"),
        entry.action,
        entry.outcome,
        entry.actor,
        entry.principal,
        entry.address,
        entry.method,
        entry.route,
        entry.code,
        entry.detail,
        entry.count,
    ]
    return hashlib.sha256(before + json.dumps(row, separators=(",", ":")).encode()).digest()


def _plain(text: str) -> str:
    """On one line and of letters alone: no NUL, no half of a surrogate pair, nothing that moves a terminal's cursor."""
    cut = text[:MOST_CHARACTERS]
    return cut if cut.isprintable() else "".join(letter if letter.isprintable() else " " for letter in cut)
