"""The SQL of timers. Every call returns after COMMIT."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.skills.timers.timer import Entry
from solo.storage import Database

_SAVE = """
INSERT INTO skills.timers AS t
    (id, profile, kind, name, source, length_s, by_clock, set_at, due_at, boot, due_steady, paused_s)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, length_s = excluded.length_s, due_at = excluded.due_at,
    boot = excluded.boot, due_steady = excluded.due_steady, paused_s = excluded.paused_s
WHERE t.profile = excluded.profile
"""
_ALL = """
SELECT id, profile, kind, name, source, length_s, by_clock, set_at, due_at, boot, due_steady, paused_s, told_at
FROM skills.timers
"""


class TimerStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, entry: Entry) -> None:
        await self._database.execute(
            _SAVE,
            entry.id,
            entry.profile,
            entry.kind,
            entry.name.replace("\0", ""),
            entry.source,
            entry.length_s,
            entry.by_clock,
            _moment(entry.set_at),
            _moment(entry.due_at),
            entry.boot,
            entry.due_steady,
            entry.paused_s,
        )

    async def remove(self, ids: Sequence[str]) -> None:
        await self._database.execute("DELETE FROM skills.timers WHERE id = ANY ($1::text[])", list(ids))

    async def told(self, ids: Sequence[str]) -> None:
        """They were told to somebody: after a restart they are over."""
        await self._database.execute(
            "UPDATE skills.timers SET told_at = now() WHERE id = ANY ($1::text[]) AND told_at IS NULL", list(ids)
        )

    async def put_right(self, entries: Sequence[Entry]) -> None:
        """When they are due by the clock on the wall, after that was set."""
        await self._database.execute(
            "UPDATE skills.timers t SET due_at = v.due_at "
            "FROM unnest($1::text[], $2::timestamptz[]) AS v (id, due_at) WHERE t.id = v.id",
            [entry.id for entry in entries],
            [_moment(entry.due_at) for entry in entries],
        )

    async def all(self) -> list[Entry]:
        """Of everybody: they are told without being asked for."""
        return [_entry(row) for row in await self._database.fetch(_ALL)]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _entry(row: Any) -> Entry:
    fields = dict(row)
    return Entry(
        **{name: fields[name] for name in ("id", "profile", "kind", "name", "source", "length_s", "by_clock", "boot")},
        set_at=fields["set_at"].timestamp(),
        due_at=fields["due_at"].timestamp(),
        due_steady=fields["due_steady"],
        paused_s=fields["paused_s"],
        told=fields["told_at"] is not None,
    )
