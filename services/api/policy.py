"""What a route asks of its caller; a route cannot be declared without it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from services.messages.security import Scope

if TYPE_CHECKING:
    from starlette.types import Scope as Connection

Owner = Literal["none", "profile", "self"]
"""Whose objects a route may touch. none: it has no objects of persons; profile: only those of the caller's profile,
everything else is as if it did not exist; self: the caller's own keys and sessions, an admin's anybody's."""
Rate = Literal["cheap", "usual", "costly", "login"]
"""How often it may be asked, by the classes in the settings: looks, ordinary requests, work of engines, log-ins."""
MOST_BODY_BYTES = 1024 * 1024
DOCUMENT_BYTES = 32 * 1024 * 1024
PICTURES_BYTES = 32 * 1024 * 1024
"""Pictures come inside a conversation, as data: URLs."""
SOCKET = "WS"
"""Stands for the method of WebSocket routes."""


@dataclass(frozen=True, slots=True)
class Policy:
    scope: Scope | None
    """What the caller must be allowed; None: anybody, without a key. At most four routes are that (`PUBLIC_MOST`),
    besides `static` ones."""
    owner: Owner = "none"
    rate: Rate = "usual"
    body: int = MOST_BODY_BYTES
    """Bytes that its body, or a message of its WebSocket, may have."""
    audit: bool = False
    """Each call is written into the audit log, not only those that are denied."""
    static: bool = False
    """The same bytes of Solo's own for everybody, such as a page's files: it asks nobody and takes nothing in."""


PUBLIC_MOST = 4
"""Two looks, log-in and refresh."""
LOGIN = Policy(None, rate="login", body=16 * 1024, audit=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of routes."""

    method: str
    """HTTP method, or `WS`."""
    path: str
    """Template, such as `/api/chats/{talk}`; a parameter that ends in `:path` takes slashes too."""
    policy: Policy
    summary: str = ""


class RouteTable:
    """All routes with their policies, and which of them a request is for."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        for row in self.rows:
            if row.policy.static and (row.method != "GET" or row.policy.body or row.policy.owner != "none"):
                raise ValueError(f"{row.method} {row.path} is not static")
        public = [row for row in self.rows if row.policy.scope is None and not row.policy.static]
        if len({row.path for row in public}) > PUBLIC_MOST:
            raise ValueError(f"too many public routes: {sorted({row.path for row in public})}")
        self._fixed: dict[str, dict[str, Row]] = {}
        self._templates: dict[str, tuple[re.Pattern[str], dict[str, Row]]] = {}
        for row in self.rows:
            if "{" not in row.path:
                methods = self._fixed.setdefault(row.path, {})
            else:
                _, methods = self._templates.setdefault(row.path, (_pattern(row.path), {}))
            if row.method in methods:
                raise ValueError(f"two policies for {row.method} {row.path}")
            methods[row.method] = row

    def find(self, connection: Connection) -> Row | None:
        """None: there is no such route, or not with this method."""
        method = SOCKET if connection["type"] == "websocket" else connection["method"]
        if method == "HEAD":  # whoever may not see the answer may not see its head either
            method = "GET"
        path = connection["path"]
        if (row := self._fixed.get(path, {}).get(method)) is not None:
            return row
        for pattern, methods in self._templates.values():
            if pattern.fullmatch(path) and method in methods:
                return methods[method]
        return None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]*)\}", path)
    for at in range(1, len(parts), 2):
        parts[at] = ".*" if parts[at].endswith(":path") else "[^/]+"
    parts[::2] = map(re.escape, parts[::2])
    return re.compile("".join(parts), re.DOTALL)
