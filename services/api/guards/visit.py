"""One request, as the guard gets to know it."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from services.api.guards.answers import Channel
from services.api.guards.hosts import Proxies
from services.api.guards.refusals import Header
from services.api.policy import SOCKET, Policy, Row
from services.messages.audit import AuditEntry
from services.messages.security import Principal
from solo.logs import bind

if TYPE_CHECKING:
    from starlette.types import Scope

_SANE_TAG = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", SOCKET})
_UNKNOWN = Policy("status.read")
"""What is not in the table: limits as for ordinary requests; its scope is never looked at."""


@dataclass(slots=True)
class Visit:
    scope: Scope
    headers: dict[bytes, list[bytes]]
    """Values by lower-case name, in the order in which they came."""
    address: str
    extra: list[Header]
    """Headers of the answer."""
    row: Row | None = None
    who: Principal | None = None
    channel: Channel | None = None

    @property
    def policy(self) -> Policy:
        return _UNKNOWN if self.row is None else self.row.policy

    def entry(self, action: str, outcome: Literal["ok", "denied", "failed"], code: str = "") -> AuditEntry:
        """For the audit log: never a path, which may hold ids and worse; only what the table calls it."""
        method = SOCKET if self.scope["type"] == "websocket" else self.scope["method"]
        return AuditEntry(
            action=action,
            outcome=outcome,
            actor="" if self.who is None else self.who.name,
            principal="" if self.who is None else self.who.id,
            address=self.address,
            method=method if method in _METHODS else "other",
            route="" if self.row is None else self.row.path,
            code=code,
        )


def meet(scope: Scope, proxies: Proxies) -> Visit:
    """Writes `request_id`, and behind a proxy `client`, into the scope, and takes control characters out of its path.

    Starlette's patterns end in `$`, which also matches before a last line feed: "/api/stop" and "/api/stop\\n" would
    be one route to it and two to the table, and PostgreSQL takes no NUL in a text.
    """
    if _CONTROL.search(scope["path"]):
        scope["path"] = _CONTROL.sub("\ufffd", scope["path"])
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    named = headers.get(b"x-request-id", ())
    tag = named[0].decode() if len(named) == 1 and _SANE_TAG.fullmatch(named[0]) else uuid.uuid4().hex
    scope["request_id"] = tag
    bind(request_id=tag)
    peer = scope.get("client") or ("", 0)
    address = proxies.client(peer[0], headers)
    if address != peer[0]:
        scope["client"] = (address, 0)
    return Visit(scope, headers, address, [(b"x-request-id", tag.encode())])
