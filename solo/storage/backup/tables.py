"""What a database holds: rows of every table, migrations of every schema."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from solo.storage.backup.programs import Progress, quiet
from solo.storage.database import Connection
from solo.storage.migrations import CORE, Schema, SchemaNewer

NOT_OURS = ("cron",)
"""Schemas of extensions that live in one database of a server, by its configuration: they cannot be restored."""


async def count_rows(connection: Connection, progress: Progress = quiet) -> dict[str, int]:
    """Rows of every ordinary table and partition, by `schema.table`. Tables of extensions are left out."""
    tables = await connection.fetch(
        """
        SELECT n.nspname || '.' || c.relname AS name, format('%I.%I', n.nspname, c.relname) AS quoted
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
            AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> ALL ($1::text[])
            AND NOT EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY 1
        """,
        list(NOT_OURS),
    )
    counted = {}
    for number, table in enumerate(tables, start=1):
        counted[table["name"]] = await connection.fetchval(f"SELECT count(*) FROM {table['quoted']}")  # noqa: S608
        progress("counting rows", number, len(tables))
    return counted


async def migrations_of(connection: Connection) -> dict[str, int]:
    """The newest applied migration of each schema."""
    if await connection.fetchval("SELECT to_regclass('solo.migrations') IS NULL"):
        return {}
    rows = await connection.fetch(
        "SELECT schema_name, max(number) AS newest FROM solo.migrations GROUP BY 1 ORDER BY 1"
    )
    return {row["schema_name"]: row["newest"] for row in rows}


def refuse_newer(applied: dict[str, int], schemas: Sequence[Schema]) -> None:
    """Raises SchemaNewer when this Solo does not know all of these migrations."""
    for schema in (CORE, *schemas):
        known = max((migration.number for migration in schema.migrations()), default=0)
        if applied.get(schema.name, 0) > known:
            raise SchemaNewer(
                f"the backup's schema {schema.name} is at {applied[schema.name]}, this Solo knows {known}",
                hint="Update Solo, or take a backup made by this version.",
            )


async def server_major(connection: Connection) -> int:
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000


async def end(connection: Connection) -> None:
    """Close it, with a server that may not answer."""
    try:
        async with asyncio.timeout(2):
            await connection.close()
    except (TimeoutError, OSError):
        with suppress(OSError):
            connection.terminate()
