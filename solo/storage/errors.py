"""What can go wrong with the database, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from solo.errors import SoloError


class DatabaseError(SoloError):
    """The database could not do what was asked."""

    code = "db.failed"


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached."""

    code = "db.unavailable"


class DatabaseTimeout(DatabaseError):
    """The database did not answer in time."""

    code = "db.timeout"


class DatabaseBusy(DatabaseError):
    """Every connection to the database is in use."""

    code = "db.busy"


class DatabaseFull(DatabaseError):
    """The database has no space left to write."""

    code = "db.full"


_GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.exceptions.ConnectionDoesNotExistError,
)
_FULL = (asyncpg.DiskFullError, asyncpg.OutOfMemoryError)


@contextmanager
def named() -> Iterator[None]:
    """Errors of the connection and the disk become ours; a mistake in the SQL stays what it is, and crashes."""
    try:
        yield
    except _FULL as error:
        raise DatabaseFull(
            f"the database cannot write: {error}", hint="Free some space; writing goes on by itself then."
        ) from error
    except TimeoutError:
        raise  # an OSError too, but it is the caller's own limit
    except _GONE as error:
        raise DatabaseUnavailable(
            f"the connection to the database failed: {error or type(error).__name__}",
            hint="Solo connects again by itself; `solo db status` tells more.",
        ) from error
    except asyncpg.TooManyConnectionsError as error:
        raise DatabaseBusy(f"the database takes no more connections: {error}") from error
    except asyncpg.QueryCanceledError as error:
        raise DatabaseTimeout(f"the database gave up: {error}") from error
    except asyncpg.InterfaceError as error:
        # asyncpg says this of a connection or a pool that was closed under it.
        if "clos" in str(error) or "terminat" in str(error):
            raise DatabaseUnavailable(f"the connection to the database was closed: {error}") from error
        raise
