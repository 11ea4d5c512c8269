"""Backups: a verified dump with its manifest, and restoring one beside the database that serves meanwhile."""

from solo.storage.backup.dump import backup, backup_before_migration
from solo.storage.backup.manifest import Backup, Manifest, backups, prune, verify
from solo.storage.backup.restoration import Restored, restore

__all__ = [
    "Backup",
    "Manifest",
    "Restored",
    "backup",
    "backup_before_migration",
    "backups",
    "prune",
    "restore",
    "verify",
]
