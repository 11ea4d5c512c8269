"""The SQL of kept answers, and the queue behind which they are written: no answer waits for the database."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from solo.logs import get_logger
from solo.storage import Database, DatabaseError

READ_WITHIN_S = 0.1
"""How long a question may be delayed by looking here, in seconds; a healthy database needs about a millisecond."""
AWAY_S = 5.0
"""After a failure nobody looks here for so long, so that a frozen database delays one question and not each."""
MOST_WAITING_BYTES = 8 * 1024**2
"""Answers that wait to be written; a newer one is dropped, counted."""
MOST_USED = 1024
"""Uses that wait to be noted; more are not: they only say which answers go first."""
_BATCH = 64
_WRITE_WITHIN_S = 2.0
_LAST_WITHIN_S = 1.0
"""When the service stops."""
_STATE_WITHIN_S = 1.0
_TIDY_SHARE = 8
"""The limit is seen to whenever a share of 1/8 of it has been written."""

_FIND = """
SELECT value, model, extract(epoch FROM least(expires_at, created_at + make_interval(secs => $3)) - now())::float8
    AS left_s
FROM cache.responses WHERE profile = $1 AND key = $2 AND expires_at > now()
"""
_PUT = """
INSERT INTO cache.responses (profile, key, model, value, expires_at)
SELECT profile, key, model, value, now() + make_interval(secs => $5)
FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[]) AS new (profile, key, model, value)
ON CONFLICT (profile, key) DO UPDATE SET model = excluded.model, value = excluded.value, created_at = now(),
    last_used_at = now(), expires_at = excluded.expires_at
"""
_USED = """
UPDATE cache.responses r SET hits = r.hits + used.times, last_used_at = now()
FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS used (profile, key, times)
WHERE r.profile = used.profile AND r.key = used.key
"""
_CLEAR = """
WITH gone AS (
    DELETE FROM cache.responses WHERE ($1 = '' OR model = $1) AND ($2 = '' OR profile = $2) RETURNING key
)
SELECT count(*) AS gone, count(*) FILTER (WHERE key = ANY ($3::bytea[])) AS known FROM gone
"""


class Found(NamedTuple):
    value: str
    model: str
    left_s: float
    """Seconds for which it may be used."""


@dataclass(frozen=True, slots=True)
class Row:
    profile: str
    key: bytes
    model: str
    value: str


class Store:
    def __init__(self, database: Database, limit: int, ttl_s: float) -> None:
        self.limit = limit
        self.dropped = 0
        """Answers that were not written: the database was away, or too slow."""
        self._database = database
        self._ttl_s = ttl_s
        self._rows: OrderedDict[tuple[str, bytes], Row] = OrderedDict()
        self._bytes = 0
        self._used: dict[tuple[str, bytes], int] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._away_until = 0.0
        self._written = limit  # the limit is told and seen to with the first batch
        self._log = get_logger(service="llm")

    async def find(self, profile: str, key: bytes) -> Found | None:
        """None also when the database is away or slow."""
        if not self.limit:
            return None
        if (row := self._rows.get((profile, key))) is not None:
            return Found(row.value, row.model, self._ttl_s)
        now = asyncio.get_running_loop().time()
        if not self._database.is_open or now < self._away_until:
            return None
        try:
            found = await self._database.fetchrow(_FIND, profile, key, self._ttl_s, within=READ_WITHIN_S)
        except DatabaseError as error:
            self._away_until = asyncio.get_running_loop().time() + AWAY_S
            self._log.debug("the kept answers cannot be read", code=error.code)
            return None
        if found is None or found["left_s"] <= 0:
            return None
        return Found(found["value"], found["model"], found["left_s"])

    def put(self, row: Row) -> None:
        """Written soon, or dropped and counted."""
        if not self.limit or len(row.value) > self.limit:
            return
        if self._bytes + len(row.value) > MOST_WAITING_BYTES:
            self.dropped += 1
            return
        before = self._rows.pop((row.profile, row.key), None)
        self._rows[row.profile, row.key] = row
        self._bytes += len(row.value) - (len(before.value) if before else 0)
        self._wake.set()

    def use(self, profile: str, key: bytes) -> None:
        """It was used once more."""
        if self.limit and (len(self._used) < MOST_USED or (profile, key) in self._used):
            self._used[profile, key] = self._used.get((profile, key), 0) + 1
            self._wake.set()

    async def clear(self, model: str, profile: str, known: list[bytes]) -> int:
        """How many answers went that are not among `known`. Raises DatabaseError."""
        waiting = [row for row in self._rows.values() if model in ("", row.model) and profile in ("", row.profile)]
        for row in waiting:
            self._forget(row)
        never_written = {row.key for row in waiting}
        async with self._writing:
            gone = await self._database.fetchrow(_CLEAR, model, profile, list({*known, *never_written}))
        assert gone is not None
        count: int = gone["gone"] - gone["known"]
        return count + len(never_written - set(known))

    async def standing(self) -> tuple[int, int] | None:
        """Answers and their bytes; None when the database does not say so soon."""
        try:
            row = await self._database.fetchrow(
                "SELECT count(*) AS entries, coalesce(sum(size_bytes), 0)::bigint AS bytes FROM cache.responses",
                within=_STATE_WITHIN_S,
            )
        except DatabaseError:
            return None
        assert row is not None
        return row["entries"], row["bytes"]

    async def write_behind(self, stopping: asyncio.Event) -> None:
        """Until asked to stop; what waits then is written if that is soon done."""
        closer = asyncio.ensure_future(stopping.wait())
        closer.add_done_callback(lambda _: self._wake.set())
        try:
            while not stopping.is_set():
                await self._wake.wait()
                self._wake.clear()
                while (self._rows or self._used) and not stopping.is_set():
                    if not await self._write(_WRITE_WITHIN_S):
                        await _pause(stopping, AWAY_S)
            while self._rows and self._database.is_open and await self._write(_LAST_WITHIN_S):
                pass
        finally:
            closer.cancel()
            self.dropped += len(self._rows)
            self._rows.clear()
            self._bytes = 0

    async def _write(self, within: float) -> bool:
        """One batch, gone afterwards either way: an answer is not worth trying twice. False: the database failed."""
        async with self._writing:
            rows = list(self._rows.values())[:_BATCH]
            used, self._used = self._used, {}
            for row in rows:
                self._forget(row)
            size = self._written + sum(len(row.value) for row in rows)
            tidy = size >= self.limit / _TIDY_SHARE
            done = False
            try:
                async with self._database.transaction(within=within) as connection:
                    if rows:
                        columns = zip(*((row.profile, row.key, row.model, row.value) for row in rows), strict=True)
                        await connection.execute(_PUT, *map(list, columns), self._ttl_s)
                    if used:
                        profiles, keys = zip(*used, strict=True)
                        await connection.execute(_USED, list(profiles), list(keys), list(used.values()))
                    if tidy:
                        await connection.execute("UPDATE cache.limits SET most_bytes = $1", self.limit)
                        await connection.execute("SELECT cache.tidy()")
                done = True
                self._written = 0 if tidy else size
            except DatabaseError as error:
                self._log.warning("answers are not kept in the database", answers=len(rows), error=error.line())
            finally:
                self.dropped += 0 if done else len(rows)
        return done

    def _forget(self, row: Row) -> None:
        if self._rows.pop((row.profile, row.key), None) is not None:
            self._bytes -= len(row.value)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    """Ends early when asked to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
