"""Where a database is and how to log in to it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from solo.storage.errors import DatabaseError

FILE = "database.json"


class AddressInvalid(DatabaseError):
    """The address of the database is not one."""

    code = "db.bad_address"


@dataclass(frozen=True, slots=True)
class Address:
    """`host` is a name, or the folder of a Unix socket."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(default="", repr=False)
    ssl: str | None = None
    """libpq's `sslmode`; None: plain on a socket and on loopback, `prefer` elsewhere."""

    @classmethod
    def from_url(cls, url: str) -> Address:
        """Of `postgresql://user:password@host:port/database?sslmode=require`. The URL itself is never shown."""
        hint = "Write SOLO_DATABASE__URL as postgresql://user:password@host:5432/database."
        try:
            parts = urlsplit(url)
            query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            host = query.pop("host", parts.hostname or "")
            port = int(query.pop("port", parts.port or 5432))
        except ValueError:
            raise AddressInvalid("the database's address is not a URL", hint=hint) from None
        ssl = query.pop("sslmode", None)
        database = unquote(parts.path.lstrip("/"))
        if parts.scheme not in {"postgresql", "postgres"} or not host or not parts.username or not database or query:
            raise AddressInvalid(
                "the database's address lacks a part, or has one that Solo does not know"
                + (f" ({', '.join(sorted(query))})" if query else ""),
                hint=hint,
            )
        return cls(host, port, unquote(parts.username), database, unquote(parts.password or ""), ssl)

    def options(self) -> dict[str, Any]:
        """asyncpg's."""
        chosen: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password or None,
            "database": self.database,
        }
        if self.ssl is not None:
            chosen["ssl"] = self.ssl
        elif self.is_near:
            chosen["ssl"] = False
        return chosen

    def environment(self) -> dict[str, str]:
        """libpq's, for psql and pg_dump: a password on a command line can be read by everybody."""
        known = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
            "PGPASSWORD": self.password,
            "PGCONNECT_TIMEOUT": "5",
        }
        return known | ({"PGSSLMODE": self.ssl} if self.ssl is not None else {})

    @property
    def is_near(self) -> bool:
        """On this machine: a socket, or loopback."""
        return self.host.startswith(("/", "127.")) or self.host in {"localhost", "::1"}

    def named(self, database: str) -> Address:
        """Another database of the same server."""
        return replace(self, database=database)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def write(self, folder: Path) -> None:
        """For the commands of this user; readable by nobody else, and written whole."""
        content = json.dumps({name: getattr(self, name) for name in self.__slots__})
        partial = folder / f".{FILE}.{os.getpid()}"
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        partial.replace(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Address | None:
        """The embedded server's, when it has been started here before."""
        try:
            return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
