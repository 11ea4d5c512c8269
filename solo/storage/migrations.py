"""Brings the tables to what this Solo needs: numbered SQL files, each applied once, whole or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from solo.storage.database import Connection
from solo.storage.errors import DatabaseError

_FILE = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_LOCK = 0x501E_0001
"""Key of the advisory lock: one migrator at a time on a server."""
_LOCK_WITHIN_S = 60


class MigrationsBroken(DatabaseError):
    """The migration files are not a gapless sequence of four-digit numbers."""

    code = "db.migrations_broken"


class SchemaNewer(DatabaseError):
    """The database was made by a newer Solo."""

    code = "db.schema_newer"


class MigrationChanged(DatabaseError):
    """A migration that was applied differs from the file of the same number."""

    code = "db.migration_changed"


class MigrationFailed(DatabaseError):
    """A migration could not be applied."""

    code = "db.migration_failed"


class SchemaBehind(DatabaseError):
    """The database lacks migrations that this Solo needs."""

    code = "db.schema_behind"


@dataclass(frozen=True, slots=True)
class Migration:
    schema: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.schema}/{self.number:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class Schema:
    """One PostgreSQL schema and the folder of its migrations, `0001_name.sql` and so on."""

    name: str
    folder: Path

    def migrations(self) -> tuple[Migration, ...]:
        found = []
        for file in sorted(self.folder.glob("*.sql")):
            match = _FILE.fullmatch(file.name)
            if match is None:
                raise MigrationsBroken(f"{file.name} is not named like 0001_name.sql")
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(self.name, int(match["number"]), match["name"], sql))
        if [migration.number for migration in found] != list(range(1, len(found) + 1)):
            raise MigrationsBroken(f"the migrations of {self.name} are not numbered 1, 2, 3 ... without a gap")
        return tuple(found)


CORE = Schema("solo", Path(__file__).with_name("migrations"))
"""What the machine itself keeps: the ledger of migrations, the outbox, what is to be maintained."""

_LEDGER = """
CREATE SCHEMA IF NOT EXISTS solo;
CREATE TABLE IF NOT EXISTS solo.migrations (
    schema_name text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema_name, number)
);
COMMENT ON TABLE solo.migrations IS 'Which migration files have been applied, and what they were.';
"""


@dataclass(frozen=True, slots=True)
class Head:
    """How the database stands to the files."""

    applied: int
    pending: tuple[Migration, ...]


async def head(connection: Connection, schemas: Sequence[Schema]) -> Head:
    """Compare. Raises SchemaNewer or MigrationChanged."""
    exists = await connection.fetchval("SELECT to_regclass('solo.migrations') IS NOT NULL")
    rows = await connection.fetch("SELECT schema_name, number, checksum FROM solo.migrations") if exists else []
    applied = {(row["schema_name"], row["number"]): row["checksum"] for row in rows}
    wanted = [migration for schema in (CORE, *schemas) for migration in schema.migrations()]
    known: dict[str, int] = {}
    for migration in wanted:
        known[migration.schema] = max(known.get(migration.schema, 0), migration.number)
    for schema, number in applied:
        if schema in known and number > known[schema]:
            raise SchemaNewer(
                f"the schema {schema} of the database is at {number}, this Solo knows {known[schema]}",
                hint="Update Solo, or restore a backup made by this version.",
            )
    for migration in wanted:
        checksum = applied.get((migration.schema, migration.number))
        if checksum is not None and checksum != migration.checksum:
            raise MigrationChanged(
                f"{migration} is not the one that was applied to this database",
                hint="Put the file back as it was and write a new migration.",
            )
    pending = tuple(migration for migration in wanted if (migration.schema, migration.number) not in applied)
    return Head(applied=len(applied), pending=pending)


async def migrate(
    connection: Connection,
    schemas: Sequence[Schema],
    *,
    backup: Callable[[], Awaitable[None]] | None = None,
) -> tuple[Migration, ...]:
    """Apply what is pending, each file in a transaction with its line in the ledger; returns what was applied.

    A process that is killed in the middle leaves the database before or behind a file, never between.
    `backup` is called before the first change of a database that has something in it.
    """
    await connection.execute(f"SET lock_timeout = '{_LOCK_WITHIN_S}s'")
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        standing = await head(connection, schemas)
        if not standing.pending:
            return ()
        if standing.applied and backup is not None:
            await backup()
        await connection.execute(_LEDGER)
        for migration in standing.pending:
            await _apply(connection, migration)
        return standing.pending
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _apply(connection: Connection, migration: Migration) -> None:
    import asyncpg

    try:
        async with connection.transaction():
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{migration.schema}"')
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO solo.migrations (schema_name, number, name, checksum) VALUES ($1, $2, $3, $4)",
                migration.schema,
                migration.number,
                migration.name,
                migration.checksum,
            )
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationFailed(
            f"{migration} cannot be applied: {error}", hint="Nothing of it was kept; the database is as it was."
        ) from error


async def require_head(connection: Connection, schemas: Sequence[Schema]) -> None:
    """Refuse to work on tables that are not those this Solo was written for."""
    standing = await head(connection, schemas)
    if standing.pending:
        raise SchemaBehind(
            f"{len(standing.pending)} migrations are missing, the first is {standing.pending[0]}",
            hint="Run `solo db migrate`.",
        )
