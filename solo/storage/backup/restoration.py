"""Restores a backup into a fresh database beside the one that serves, and puts it in its place when it is right."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from solo.storage.address import Address
from solo.storage.backup.manifest import Backup, BackupAltered, verify
from solo.storage.backup.programs import Programs, Progress, fitting, quiet, run
from solo.storage.backup.swap import Names, create, drop, drop_older, only_one, quoted, swap
from solo.storage.backup.tables import NOT_OURS, count_rows, end, refuse_newer, server_major
from solo.storage.connect import connect
from solo.storage.database import Connection
from solo.storage.errors import DatabaseError, DatabaseFull, DatabaseTimeout, named
from solo.storage.migrations import Schema, migrate

WITHIN_S = 6 * 3600.0


class RestoreFailed(DatabaseError):
    """A backup could not be restored."""

    code = "db.restore_failed"


class RestoreDiffers(DatabaseError):
    """A restored table does not have the rows that were backed up."""

    code = "db.restore_differs"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    backup: Backup
    rows: int
    """Rows of all tables, as the manifest says."""
    migrated: tuple[str, ...]
    """Migrations that were newer than the backup."""
    kept: str | None
    """The database that was served before; None: there was none, or it was dropped."""


async def restore(
    address: Address,
    path: Path,
    schemas: Sequence[Schema],
    *,
    drop_old: bool = False,
    within: float = WITHIN_S,
    progress: Progress = quiet,
) -> Restored:
    """Put the backup in the place of the database at `address`.

    The old one serves until the new one is complete, checked and migrated; then both are renamed in one transaction,
    so a failure or a kill at any moment leaves one of them whole under the name. The old one is kept beside it until
    the next restore, unless `drop_old`. Sessions of the old one are ended; pools connect again by themselves.
    Raises what `verify` raises, SchemaNewer, RestoreFailed, RestoreDiffers, RestoreRunning, DatabaseFull,
    ProgramMissing, DatabaseTimeout or DatabaseUnavailable.
    """
    try:
        async with asyncio.timeout(within):
            progress("checking the backup", 0, 0)
            backup = await verify(path)
            refuse_newer(backup.manifest.migrations, schemas)
            keeper = await connect(address.named("postgres"))
            try:
                with named():
                    return await _restore(keeper, address, backup, schemas, drop_old, within, progress)
            except asyncpg.InsufficientPrivilegeError as error:
                raise RestoreFailed(
                    f"{address.user} may not do this: {error}",
                    hint=f'Let an administrator of the server run: ALTER ROLE "{address.user}" CREATEDB.',
                ) from error
            except asyncpg.PostgresError as error:
                raise RestoreFailed(f"the restore failed: {error}", hint="The database is as it was.") from error
            finally:
                await end(keeper)
    except TimeoutError as error:
        raise DatabaseTimeout(
            f"the restore was not done within {within:.0f} s", hint="The database is as it was."
        ) from error


async def _restore(
    keeper: Connection,
    address: Address,
    backup: Backup,
    schemas: Sequence[Schema],
    drop_old: bool,
    within: float,
    progress: Progress,
) -> Restored:
    programs = await fitting(await server_major(keeper))
    if programs.major < backup.manifest.dumped_by:
        raise RestoreFailed(
            f"the backup was made for PostgreSQL {backup.manifest.dumped_by}, this server is {programs.major}",
            hint="Restore it to a server that is at least as new.",
        )
    names = Names.of(address.database)
    async with only_one(keeper, names):
        owner = await create(keeper, names)
        fresh = address.named(names.fresh)
        try:
            await _fill(programs, fresh, backup, owner, within, progress)
            migrated = await _finish(fresh, backup, schemas, owner, progress)
            progress("taking its place", 0, 0)
            kept = await swap(keeper, address, names)
        except BaseException:
            # Of whatever kind: what was half made goes. Its name is another one once it took its place.
            await _discard(address, names.fresh)
            raise
        await drop_older(keeper, names, keep=None if drop_old else kept)
    return Restored(backup, sum(backup.manifest.rows.values()), migrated, None if drop_old else kept)


async def _fill(
    programs: Programs, fresh: Address, backup: Backup, owner: str | None, within: float, progress: Progress
) -> None:
    tables = len(backup.manifest.rows)
    done = 0

    def follow(line: str) -> None:
        nonlocal done
        if "processing data for table" in line:
            done += 1
            progress("restoring tables", min(done, tables), tables)
        elif "creating INDEX" in line:
            progress("building indexes", 0, 0)

    try:
        with tempfile.TemporaryDirectory(prefix="solo-restore-") as folder:
            contents = Path(folder) / "contents"
            pg_restore = programs.path("pg_restore")
            listed = await run([pg_restore, "--list", f"--file={contents}", str(backup.path)], None, within=within)
            if listed.code != 0:
                raise BackupAltered(f"its contents cannot be listed: {listed.reason}", hint="Take another backup.")
            _leave_out(contents)
            command = [pg_restore, "--exit-on-error", "--no-owner", "--no-privileges", "--no-password", "--verbose"]
            if owner is not None:
                command.append(f"--role={owner}")
            command += [f"--use-list={contents}", f"--dbname={fresh.database}", str(backup.path)]
            ended = await run(command, fresh, within=within, on_line=follow)
    except OSError as error:
        raise RestoreFailed(f"a temporary file cannot be written: {error}", hint="Look at the free space.") from error
    if ended.code == 0:
        return
    if ended.is_full:
        raise DatabaseFull(
            f"no space to restore into: {ended.reason}",
            hint="Free some: the old and the new database have to fit; the database is as it was.",
        )
    raise RestoreFailed(f"the restore failed: {ended.reason}", hint="The database is as it was.")


def _leave_out(contents: Path) -> None:
    lines = contents.read_text(encoding="utf-8").splitlines(keepends=True)
    contents.write_text("".join(line for line in lines if not _is_not_ours(line)), encoding="utf-8")


def _is_not_ours(line: str) -> bool:
    """A line of the list of contents, such as `2; 3079 16385 EXTENSION - pg_cron `."""
    words = line.split()
    return "pg_cron" in words or any(schema in words[3:7] for schema in NOT_OURS)


async def _finish(
    fresh: Address, backup: Backup, schemas: Sequence[Schema], owner: str | None, progress: Progress
) -> tuple[str, ...]:
    """Compare with the manifest, migrate, give the planner its statistics."""
    connection = await connect(fresh)
    try:
        await connection.execute("SET statement_timeout = 0")
        if owner is not None:
            await connection.execute(f"SET ROLE {quoted(owner)}")
        rows = await count_rows(connection, progress)
        for table, expected in backup.manifest.rows.items():
            if rows.get(table) != expected:
                raise RestoreDiffers(
                    f"{table} has {rows.get(table, 0)} rows, the backup had {expected}",
                    hint="The database is as it was.",
                )
        progress("migrating", 0, 0)
        applied = await migrate(connection, schemas)
        progress("analysing", 0, 0)
        await connection.execute("ANALYZE")
        return tuple(str(migration) for migration in applied)
    finally:
        await end(connection)


async def _discard(address: Address, database: str) -> None:
    """On a connection of its own: the other one may be in the middle of something, or gone."""
    with suppress(DatabaseError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        connection = await connect(address.named("postgres"))
        try:
            async with asyncio.timeout(30):
                await drop(connection, database)
        finally:
            await end(connection)
