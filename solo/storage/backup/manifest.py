"""What lies beside a dump: what it holds and how to tell that it is whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from solo.storage.errors import DatabaseError

FORMAT = 1
"""Of the manifest."""
DUMP = ".dump"
PARTIAL = ".partial"
_MAGIC = b"PGDMP"
"""How every dump in pg_dump's custom format begins."""
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"solo-(\d{8}T\d{6}Z)(-\d+)?\.dump")
Reason = Literal["asked", "scheduled", "migration"]


class BackupMissing(DatabaseError):
    """There is no such backup."""

    code = "db.backup_missing"


class BackupForeign(DatabaseError):
    """The file was not made by `solo db backup`."""

    code = "db.backup_foreign"


class BackupTruncated(DatabaseError):
    """The end of a backup is missing."""

    code = "db.backup_truncated"


class BackupAltered(DatabaseError):
    """A backup is not what it was when it was made."""

    code = "db.backup_altered"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dump holds."""

    format: int
    solo: str
    """Version of Solo."""
    postgres: str
    """Version of the server."""
    dumped_by: int
    """Major version of pg_dump; no older pg_restore can read the file."""
    reason: Reason
    created_at: str
    """ISO 8601 UTC: the moment whose data it holds."""
    file: str
    size: int
    """Bytes of the dump."""
    sha256: str
    """Of the dump, in hexadecimal."""
    migrations: dict[str, int]
    """The newest applied migration of each schema."""
    rows: dict[str, int]
    """Of every table, counted in the snapshot that was dumped."""

    @property
    def created(self) -> datetime:
        return datetime.fromisoformat(self.created_at)

    def to_json(self) -> str:
        """With a checksum of its own."""
        content = asdict(self)
        return json.dumps({**content, "manifest_sha256": _digest(content)}, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True, slots=True)
class Backup:
    """A dump with its manifest."""

    path: Path
    manifest: Manifest


def manifest_of(path: Path) -> Path:
    """Where the manifest of a dump is."""
    return path.with_suffix(".json")


def read(path: Path) -> Manifest:
    """The manifest beside this dump. Raises BackupForeign or BackupAltered."""
    file = manifest_of(path)
    hint = "Solo restores only what `solo db backup` has made, with its manifest beside it."
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        said = content.pop("manifest_sha256")
        known = content.get("format")
    except FileNotFoundError as error:
        raise BackupForeign(f"{path.name} has no manifest {file.name} beside it", hint=hint) from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BackupForeign(f"{file.name} is not the manifest of a backup", hint=hint) from error
    if said != _digest(content):
        raise BackupAltered(f"{file.name} is not what it was when it was written", hint="Take another backup.")
    if known != FORMAT:
        raise BackupForeign(f"{file.name} has the format {known}, this Solo knows {FORMAT}", hint="Update Solo.")
    try:
        return Manifest(**content)
    except TypeError as error:
        raise BackupForeign(f"{file.name} is not the manifest of a backup", hint=hint) from error


async def verify(path: Path) -> Backup:
    """Read all of it. Raises BackupMissing, BackupForeign, BackupTruncated or BackupAltered, each with one line."""
    return await asyncio.to_thread(_verified, path)


def _verified(path: Path) -> Backup:
    try:
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError as error:
        raise BackupMissing(
            f"{path} cannot be read: {error.strerror}", hint="`solo db backups` lists those there are."
        ) from error
    if begins and begins != _MAGIC:
        raise BackupForeign(
            f"{path.name} is not a dump of PostgreSQL", hint="Name the .dump file that `solo db backup` wrote."
        )
    manifest = read(path)
    size = path.stat().st_size
    if size < manifest.size:
        raise BackupTruncated(
            f"{path.name} has {size} of {manifest.size} bytes", hint="Copy it again, or take another backup."
        )
    if size > manifest.size or checksum(path) != manifest.sha256:
        raise BackupAltered(
            f"{path.name} is not what it was when it was made", hint="Copy it again, or take another backup."
        )
    return Backup(path, manifest)


def backups(folder: Path) -> list[Backup]:
    """Those in a folder whose size is right, the newest first; their content is not read."""
    found = []
    for path in folder.glob("*" + DUMP):
        with suppress(DatabaseError, OSError):
            manifest = read(path)
            if path.stat().st_size == manifest.size:
                found.append(Backup(path, manifest))
    return sorted(found, key=lambda backup: (backup.manifest.created, backup.path.name), reverse=True)


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove scheduled backups but the newest `keep`; returns what went. What was asked for stays."""
    scheduled = [backup for backup in backups(folder) if backup.manifest.reason == "scheduled"]
    gone = [backup.path for backup in scheduled[keep:]]
    for path in gone:
        path.unlink(missing_ok=True)
        manifest_of(path).unlink(missing_ok=True)
    return gone


def remove_leftovers(folder: Path) -> None:
    """What killed backups have left. Only for who holds the folder's lock."""
    for partial in folder.glob("*" + PARTIAL):
        partial.unlink(missing_ok=True)
    for manifest in folder.glob("solo-*.json"):
        dump = manifest.with_suffix(DUMP)
        if _NAME.fullmatch(dump.name) and not dump.exists():
            manifest.unlink(missing_ok=True)


def name_at(folder: Path, at: datetime) -> Path:
    """A name that is free: `solo-20260131T120000Z.dump`, or with a number for more in one second."""
    stem = f"solo-{at.astimezone(UTC).strftime(_TIME)}"
    path = folder / (stem + DUMP)
    number = 2
    while path.exists() or manifest_of(path).exists():
        path = folder / f"{stem}-{number}{DUMP}"
        number += 1
    return path


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """To the disk, and where systems know it, the folder's entry too."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
