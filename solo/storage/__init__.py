"""PostgreSQL: the server Solo starts or is given, the pool, migrations, backups, and what must not be lost."""

from solo.storage.address import Address
from solo.storage.database import Connection, Database
from solo.storage.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseTimeout,
    DatabaseUnavailable,
)
from solo.storage.migrations import Schema

__all__ = [
    "Address",
    "Connection",
    "Database",
    "DatabaseBusy",
    "DatabaseError",
    "DatabaseFull",
    "DatabaseTimeout",
    "DatabaseUnavailable",
    "Schema",
]
