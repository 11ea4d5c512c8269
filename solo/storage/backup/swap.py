"""Databases side by side on one server: a fresh one, the one that serves, those kept; and changing places at once."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from solo.storage.address import Address
from solo.storage.backup.tables import end
from solo.storage.connect import connect
from solo.storage.database import Connection
from solo.storage.errors import DatabaseBusy, DatabaseError

_LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL."""
_LOCK_WITHIN_S = 10.0
_SWAP_WITHIN_S = 60.0


class RestoreRunning(DatabaseError):
    """Another restore of this database is running."""

    code = "db.restore_running"


@dataclass(frozen=True, slots=True)
class Names:
    """Of the databases of one restore."""

    current: str
    fresh: str
    kept: str

    @classmethod
    def of(cls, current: str) -> Names:
        stem = current[: _LONGEST_NAME - len("_before_20260131t120000z")]
        now = datetime.now(UTC).strftime("%Y%m%dt%H%M%Sz")
        return cls(current, f"{stem}_restore_{secrets.token_hex(4)}", f"{stem}_before_{now}")

    @property
    def unfinished(self) -> re.Pattern[str]:
        """Databases of restores that were killed."""
        return re.compile(re.escape(self.fresh[:-8]) + "[0-9a-f]{8}")

    @property
    def older(self) -> re.Pattern[str]:
        """Databases that earlier restores have kept."""
        return re.compile(re.escape(self.kept[:-16]) + r"\d{8}t\d{6}z")


@asynccontextmanager
async def only_one(keeper: Connection, names: Names) -> AsyncIterator[None]:
    """One restore at a time; what killed ones have left is removed. The server frees the lock of who is gone."""
    end_at = time.monotonic() + _LOCK_WITHIN_S
    while not await keeper.fetchval(
        "SELECT pg_try_advisory_lock(hashtextextended('solo.restore ' || $1, 0))", names.current
    ):
        if time.monotonic() > end_at:
            raise RestoreRunning(f"another restore of {names.current} is running", hint="Wait for its end.")
        await asyncio.sleep(0.2)
    try:
        await _drop_all(keeper, names.unfinished, keep=None)
        yield
    finally:
        if not keeper.is_closed():
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
                await keeper.execute(
                    "SELECT pg_advisory_unlock(hashtextextended('solo.restore ' || $1, 0))", names.current
                )


async def create(keeper: Connection, names: Names) -> str | None:
    """A fresh database that sorts and compares as the old one does, open to the same people.

    Returns the old one's owner where that is somebody else: what is restored has to be theirs, too.
    """
    row = await keeper.fetchrow(
        "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, datlocprovider::text AS provider, "
        "coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale, "
        "pg_get_userbyid(datdba) AS owner, pg_get_userbyid(datdba) = current_user AS ours, "
        "has_database_privilege('public', oid, 'CONNECT') AS for_all FROM pg_database d WHERE datname = $1",
        names.current,
    )
    command = f"CREATE DATABASE {quoted(names.fresh)} TEMPLATE template0"
    if row is None:
        await keeper.execute(command)
        return None
    command += f" OWNER {quoted(row['owner'])} ENCODING {_literal(row['encoding'])}"
    command += f" LC_COLLATE {_literal(row['datcollate'])} LC_CTYPE {_literal(row['datctype'])}"
    if row["provider"] in {"i", "b"} and row["locale"] is not None:
        kind, option = ("icu", "ICU_LOCALE") if row["provider"] == "i" else ("builtin", "BUILTIN_LOCALE")
        command += f" LOCALE_PROVIDER {kind} {option} {_literal(row['locale'])}"
    await keeper.execute(command)
    if not row["for_all"]:
        await keeper.execute(f"REVOKE ALL ON DATABASE {quoted(names.fresh)} FROM PUBLIC")
    return None if row["ours"] else str(row["owner"])


async def drop(connection: Connection, database: str) -> None:
    await connection.execute(f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE)")


async def drop_older(keeper: Connection, names: Names, *, keep: str | None) -> None:
    """Those that earlier restores have kept, but this one."""
    await _drop_all(keeper, names.older, keep=keep)


async def swap(keeper: Connection, address: Address, names: Names) -> str | None:
    """Rename both in one transaction; returns under which name the old one is kept, None when there was none.

    Renaming waits until nobody is connected, and keeps new sessions waiting meanwhile; a second connection ends those
    there are. Raises DatabaseBusy when somebody's sessions cannot be ended.
    """
    ending = await connect(address.named("postgres"))
    try:
        async with asyncio.TaskGroup() as tasks:
            ender = tasks.create_task(_end_sessions(ending, names))
            try:
                return await _rename(keeper, names)
            finally:
                ender.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group
    finally:
        await end(ending)


async def _rename(keeper: Connection, names: Names) -> str | None:
    end_at = time.monotonic() + _SWAP_WITHIN_S
    while True:
        try:
            async with keeper.transaction():
                exists = await keeper.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", names.current)
                if exists:
                    await keeper.execute(f"ALTER DATABASE {quoted(names.current)} RENAME TO {quoted(names.kept)}")
                await keeper.execute(f"ALTER DATABASE {quoted(names.fresh)} RENAME TO {quoted(names.current)}")
            return names.kept if exists else None
        except asyncpg.ObjectInUseError as error:
            if time.monotonic() > end_at:
                raise DatabaseBusy(
                    f"sessions of {names.current} cannot be ended: {error}",
                    hint="End them, or restore as a superuser: pg_cron, for one, holds a session of its own.",
                ) from error


async def _end_sessions(connection: Connection, names: Names) -> None:
    """Until cancelled. Only those that we may end: of the same user, or all of them for a superuser."""
    while True:
        await connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.datname = ANY ($1::text[]) "
            "AND a.pid <> pg_backend_pid() AND (a.usename = current_user "
            "OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))",
            [names.current, names.fresh],
        )
        await asyncio.sleep(0.02)


async def _drop_all(keeper: Connection, pattern: re.Pattern[str], *, keep: str | None) -> None:
    for row in await keeper.fetch("SELECT datname FROM pg_database ORDER BY datname"):
        if pattern.fullmatch(row["datname"]) and row["datname"] != keep:
            await drop(keeper, row["datname"])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
