"""Makes a backup: one snapshot of the whole database, counted, dumped, read back and checked before it has its name."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from filelock import FileLock, Timeout

import solo
from solo.settings import MachineSettings
from solo.storage.address import Address
from solo.storage.backup import manifest as manifests
from solo.storage.backup.manifest import Backup, Manifest, Reason
from solo.storage.backup.programs import NOWHERE, Ended, Programs, Progress, fitting, quiet, run
from solo.storage.backup.tables import count_rows, end, migrations_of, server_major
from solo.storage.connect import connect
from solo.storage.database import Connection
from solo.storage.errors import DatabaseError, DatabaseTimeout, named

WITHIN_S = 3600.0
_BEFORE_MIGRATION_WITHIN_S = 150.0
"""Within the time in which the database's service has to be ready."""
_LOCK = ".backup.lock"
_LOCK_WITHIN_S = 60.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MORE_SPACE = "Free some, or set SOLO_DATABASE__BACKUP_DIR to a larger disk."
_FOLDER = "backups"


class BackupFailed(DatabaseError):
    """A backup could not be made."""

    code = "db.backup_failed"


class BackupFull(DatabaseError):
    """There is no space for a backup."""

    code = "db.backup_full"


class BackupRunning(DatabaseError):
    """Another backup is being written to the same folder."""

    code = "db.backup_running"


def folder_of(machine: MachineSettings) -> Path:
    """Where backups go when nobody says otherwise."""
    return machine.database.backup_dir or machine.state_dir / _FOLDER


async def backup(
    address: Address,
    target: Path,
    *,
    reason: Reason = "asked",
    keep: int | None = None,
    within: float = WITHIN_S,
    progress: Progress = quiet,
) -> Backup:
    """Write a verified dump and its manifest into the folder `target`, or to the file when it ends in `.dump`.

    Other sessions read and write meanwhile. `keep` removes scheduled backups but the newest so many, afterwards.
    Raises BackupFull, BackupFailed, BackupRunning, ProgramMissing, DatabaseTimeout or DatabaseUnavailable; nothing
    is left behind then.
    """
    named_file = target if target.suffix == manifests.DUMP else None
    folder = target if named_file is None else target.parent
    try:
        async with asyncio.timeout(within):
            with _said():
                await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
                async with _alone(folder):
                    manifests.remove_leftovers(folder)
                    made = await _make(address, folder, named_file, reason, within, progress)
                    if keep is not None:
                        manifests.prune(folder, keep)
                    return made
    except TimeoutError as error:
        raise DatabaseTimeout(f"the backup was not done within {within:.0f} s") from error


async def backup_before_migration(address: Address, machine: MachineSettings) -> None:
    """Before the tables of a database with something in it are changed."""
    try:
        await backup(address, folder_of(machine), reason="migration", within=_BEFORE_MIGRATION_WITHIN_S)
    except DatabaseTimeout as error:
        raise BackupFailed(
            f"the backup before the migration: {error.message}", hint="Run `solo db migrate`, which takes its time."
        ) from error


async def _make(
    address: Address, folder: Path, file: Path | None, reason: Reason, within: float, progress: Progress
) -> Backup:
    path = _new(file) if file is not None else manifests.name_at(folder, datetime.now(UTC))
    partial = path.with_name(path.name + manifests.PARTIAL)
    partial.touch(mode=0o600)  # before pg_dump makes it readable for others
    connection: Connection | None = None
    try:
        connection = await connect(address)
        with named():
            programs = await fitting(await server_major(connection))
            async with _snapshot(connection) as snapshot:
                rows = await _dump(connection, snapshot, programs, address, partial, within, progress)
        progress("reading it back", 0, 0)
        await _read_back(programs, partial, within)
        known = Manifest(
            format=manifests.FORMAT,
            solo=solo.__version__,
            postgres=snapshot.version,
            dumped_by=programs.major,
            reason=reason,
            created_at=snapshot.at.isoformat(),
            file=path.name,
            size=partial.stat().st_size,
            sha256=await asyncio.to_thread(manifests.checksum, partial),
            migrations=snapshot.migrations,
            rows=rows,
        )
        await asyncio.to_thread(_publish, partial, path, known)
        return Backup(path, known)
    finally:
        partial.unlink(missing_ok=True)
        if connection is not None:
            await end(connection)


def _new(file: Path) -> Path:
    if file.exists() or manifests.manifest_of(file).exists():
        raise BackupFailed(f"{file} is already there", hint="Name another file.")
    return file


@dataclass(frozen=True, slots=True)
class _Snapshot:
    id: str
    at: datetime
    version: str
    migrations: dict[str, int]


@asynccontextmanager
async def _snapshot(connection: Connection) -> AsyncIterator[_Snapshot]:
    """One state of the database, for us and for pg_dump; held for the block."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
    row = await connection.fetchrow("SELECT pg_export_snapshot() AS id, now() AS at, version() AS version")
    assert row is not None
    yield _Snapshot(row["id"], row["at"].astimezone(UTC), row["version"].split()[1], await migrations_of(connection))
    await connection.execute("COMMIT")


async def _dump(
    connection: Connection,
    snapshot: _Snapshot,
    programs: Programs,
    address: Address,
    partial: Path,
    within: float,
    progress: Progress,
) -> dict[str, int]:
    """Dump and, in the same snapshot, count; returns rows by table."""
    rows = await count_rows(connection, progress)
    done = 0

    def follow(line: str) -> None:
        nonlocal done
        if "dumping contents of table" in line:
            done += 1
            progress("dumping tables", min(done, len(rows)), len(rows))

    command = [programs.path("pg_dump"), "--format=custom", "--verbose", "--no-password", "--lock-wait-timeout=60s"]
    command += [f"--snapshot={snapshot.id}", f"--file={partial}"]
    _check(await run(command, address, within=within, on_line=follow))
    return rows


async def _read_back(programs: Programs, partial: Path, within: float) -> None:
    """All of it: the list of contents alone would not show a broken row."""
    _check(await run([programs.path("pg_restore"), f"--file={NOWHERE}", str(partial)], None, within=within))


def _check(ended: Ended) -> None:
    if ended.code == 0:
        return
    if ended.is_full:
        raise BackupFull(f"no space for the backup: {ended.reason}", hint=_MORE_SPACE)
    raise BackupFailed(f"the backup failed: {ended.reason}", hint="Nothing was kept of it; the database is as it was.")


def _publish(partial: Path, path: Path, known: Manifest) -> None:
    """The manifest first: one without its dump is swept up, a dump without one would be taken for foreign."""
    manifests.flush(partial)
    beside = manifests.manifest_of(path)
    draft = beside.with_name(beside.name + manifests.PARTIAL)
    try:
        draft.touch(mode=0o600)
        draft.write_text(known.to_json(), encoding="utf-8")
        manifests.flush(draft)
        draft.replace(beside)
        partial.replace(path)
        manifests.flush(path)
    except OSError:
        draft.unlink(missing_ok=True)
        if not path.exists():
            beside.unlink(missing_ok=True)
        raise


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """One backup at a time in a folder; the system takes the lock from who is killed."""
    lock = FileLock(folder / _LOCK, mode=0o600)
    patience = time.monotonic() + _LOCK_WITHIN_S
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout as error:
            if time.monotonic() > patience:
                raise BackupRunning(
                    f"another backup is being written to {folder}", hint="Wait for its end, or name another folder."
                ) from error
            await asyncio.sleep(0.2)  # a file lock wakes nobody
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong with files and rights, by name."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise BackupFull(f"no space for the backup: {error.strerror}", hint=_MORE_SPACE) from error
        raise BackupFailed(
            f"the backup cannot be written: {error}", hint="Name a folder that can be written."
        ) from error
    except asyncpg.PostgresError as error:
        raise BackupFailed(f"the backup failed: {error}", hint="The database is as it was.") from error
