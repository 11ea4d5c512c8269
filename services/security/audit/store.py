"""The SQL of the audit log, and the file beside it that remembers where the log ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from services.messages.audit import AuditEntry, AuditRow
from services.security.audit.chain import EMPTY, Head, seal
from solo.state_dir import replace_file
from solo.storage import Connection, Database

ANCHOR_FILE = "audit.head"
_WRITE_WITHIN_S = 5.0
_PAGE_WITHIN_S = 30.0
_COLUMNS = ("action", "outcome", "actor", "principal", "address", "method", "route", "code", "detail", "count")
_INSERT = (
    "INSERT INTO users.audit (seq, at, action, outcome, actor, principal, address, method, route, code, detail, count, "
    "hash) SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], "
    "$7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::int[], $13::bytea[])"
)
_ENDS = (
    "SELECT (SELECT coalesce(max(seq), 0) FROM users.audit) AS newest, h.seq, h.hash "
    "FROM (SELECT) AS one LEFT JOIN users.audit_head h ON true"
)

Noted = tuple[datetime, AuditEntry]


class AuditStore:
    def __init__(self, database: Database, state_dir: Path) -> None:
        self._database = database
        self._file = state_dir / ANCHOR_FILE
        self._tried: bytes | None = None

    async def ends(self) -> tuple[Head | None, int]:
        """(where the log says that it ends, `seq` of its newest row), at one moment."""
        row = await self._database.fetchrow(_ENDS)
        assert row is not None
        return (None if row["seq"] is None else Head(row["seq"], row["hash"])), row["newest"]

    async def hash_of(self, seq: int) -> bytes | None:
        found: bytes | None = await self._database.fetchval("SELECT hash FROM users.audit WHERE seq = $1", seq)
        return found

    async def append(self, batch: Sequence[Noted]) -> Head:
        """Write behind the log's end, all or nothing. After a DatabaseError nobody knows whether it was written: asked
        again with the same batch, it is written once."""
        async with self._database.transaction(within=_WRITE_WITHIN_S) as connection:
            await connection.execute("LOCK TABLE users.audit_head IN EXCLUSIVE MODE")
            row = await connection.fetchrow(_ENDS)
            before = EMPTY if row["seq"] is None else Head(row["seq"], row["hash"])
            tried, self._tried = self._tried, None
            if tried is not None and before.hash == tried:
                return before
            # Behind rows that somebody has put there, and behind those that somebody has cut off: both stay visible.
            head = _sealed(Head(max(before.seq, row["newest"]), before.hash), batch)
            self._tried = head[-1].hash
            await _insert(connection, head, batch)
        self._tried = None
        return head[-1]

    async def page(self, after: int, most: int) -> list[Any]:
        """Rows by `seq`, upwards."""
        return await self._database.fetch(
            "SELECT * FROM users.audit WHERE seq > $1 ORDER BY seq LIMIT $2", after, most, within=_PAGE_WITHIN_S
        )

    async def read(self, limit: int, before: int | None, action: str) -> tuple[AuditRow, ...]:
        """Newest first."""
        rows = await self._database.fetch(
            "SELECT * FROM users.audit WHERE ($1::bigint IS NULL OR seq < $1) AND starts_with(action, $2) "
            "ORDER BY seq DESC LIMIT $3",
            before,
            action,
            limit,
        )
        return tuple(
            AuditRow(**entry_of(row).model_dump(), seq=row["seq"], at=row["at"].isoformat(), hash=row["hash"].hex())
            for row in rows
        )

    async def anchor(self) -> Head | None:
        """Where the log ended when the file was written, at most a moment before it really ends."""
        return await asyncio.to_thread(self._read_anchor)

    async def move_anchor(self, head: Head) -> None:
        text = json.dumps({"seq": head.seq, "hash": head.hash.hex()}) + "\n"
        await asyncio.to_thread(replace_file, self._file, text)

    def _read_anchor(self) -> Head | None:
        try:
            known = json.loads(self._file.read_text(encoding="ascii"))
            return Head(int(known["seq"]), bytes.fromhex(known["hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return Head(-1, b"")  # no log ends so: somebody has been at it


def entry_of(row: Any) -> AuditEntry:
    return AuditEntry(**{name: row[name] for name in _COLUMNS})


def _sealed(before: Head, batch: Sequence[Noted]) -> list[Head]:
    """Where the log ends after each row of a batch behind `before`."""
    heads = [before]
    for at, entry in batch:
        seq = heads[-1].seq + 1
        heads.append(Head(seq, seal(heads[-1].hash, seq, at, entry)))
    return heads[1:]


async def _insert(connection: Connection, heads: Sequence[Head], batch: Sequence[Noted]) -> None:
    columns = [[getattr(entry, name) for _, entry in batch] for name in _COLUMNS]
    seqs, hashes = [head.seq for head in heads], [head.hash for head in heads]
    await connection.execute(_INSERT, seqs, [at for at, _ in batch], *columns, hashes)
    await connection.execute(
        "INSERT INTO users.audit_head (seq, hash) VALUES ($1, $2) "
        "ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        seqs[-1],
        hashes[-1],
    )
