"""How the database is: what `solo db status` asks it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from solo.parts import Tree
from solo.storage import Address
from solo.storage import backup as saving
from solo.storage.backup.dump import folder_of
from solo.storage.backup.tables import migrations_of
from solo.storage.database import Connection
from solo.storage.errors import DatabaseError
from solo.storage.migrations import CORE, head

_WITHIN_S = 30.0


async def standing(tree: Tree, address: Address, connection: Connection) -> dict[str, Any]:
    found = saving.backups(folder_of(tree.machine))
    async with asyncio.timeout(_WITHIN_S):
        applied = await migrations_of(connection)
        pending, problem = await _pending(connection, tree)
        row = await connection.fetchrow(
            "SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes, "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections, "
            "current_setting('max_connections')::integer AS most_connections, "
            "(SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector"
        )
        assert row is not None
        ready = await connection.fetchval("SELECT to_regclass('solo.maintenance') IS NOT NULL")
        outbox = maintenance = None
        if ready:
            outbox = await connection.fetchrow(
                "SELECT count(*) FILTER (WHERE NOT dead) AS waiting, count(*) FILTER (WHERE dead) AS dead "
                "FROM solo.outbox"
            )
            maintenance = await connection.fetch(
                "SELECT task, last_run, last_ms AS ms, last_result AS result, last_error AS failure "
                "FROM solo.maintenance ORDER BY task"
            )
    return {
        "where": str(address),
        "embedded": tree.machine.database.url is None,
        **dict(row),
        "schemas": {
            schema.name: {
                "applied": applied.get(schema.name, 0),
                "known": len(schema.migrations()),
            }
            for schema in (CORE, *tree.schemas)
        },
        "pending": pending,
        "problem": problem,
        "outbox": dict(outbox) if outbox else {"waiting": 0, "dead": 0},
        "maintenance": [
            {**dict(task), "last_run": task["last_run"].isoformat() if task["last_run"] else None}
            for task in maintenance or ()
        ],
        "backup": described(found[0]) if found else None,
    }


async def _pending(connection: Connection, tree: Tree) -> tuple[list[str], str | None]:
    """What is pending, and why this Solo would not work with this database."""
    try:
        found = await head(connection, tree.schemas)
    except DatabaseError as error:
        return [], error.line()
    return [str(migration) for migration in found.pending], None


def described(made: saving.Backup) -> dict[str, Any]:
    return {"path": str(made.path), **asdict(made.manifest)}
