"""Who asks, what they may, how they prove it, and what is written down of it."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.messages.profiles import OWNER
from solo.bus import Event, Request

Role = Literal["admin", "user", "guest", "service"]
"""admin: the person whose machine it is, and whom they trust like that; user: a person with data of their own; guest:
may talk and look at models, nothing else; service: a program, which may what its key names."""

Scope = Literal[
    "chat",
    "audio",
    "embed",
    "models.read",
    "models.manage",
    "memory.read",
    "memory.write",
    "status.read",
    "events.read",
    "config.read",
    "config.write",
    "keys.own",
    "keys.manage",
    "users.manage",
    "audit.read",
    "daemon.control",
]
"""What a route asks for. Every route needs one, apart from the public ones."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    "admin": frozenset(SCOPES),
    "user": frozenset(
        {"chat", "audio", "embed", "models.read", "memory.read", "memory.write", "status.read", "keys.own"}
    ),
    "guest": frozenset({"chat", "audio", "models.read"}),
    "service": frozenset({"chat", "audio", "embed", "models.read", "memory.read", "memory.write", "status.read"}),
}
"""The most that each role may; a key may be narrower, never wider."""


PAGE_SCOPES: frozenset[Scope] = frozenset({"chat", "audio", "models.read", "status.read"})
"""What a page in the owner's browser may: talk and look, nothing that changes the house."""


class Principal(BaseModel):
    """Who asks, as the guard found out."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["owner", "key", "session"]
    """The owner's key of the state directory, a key made with `solo keys create`, or a person who logged in."""
    id: str
    """Of the key or session, never secret; `owner` for the owner's key."""
    user: str = ""
    """Id of the user it belongs to; empty: nobody in the table of users."""
    name: str
    """For people: the user's name, or the key's."""
    role: Role
    """What they may at most."""
    scopes: frozenset[Scope]
    """What it may: its role's scopes, narrowed by the key's."""
    profile: str = OWNER
    """Whose data it works with."""
    expires_at: float | None = None
    """Seconds since 1970 from when on it is worth nothing; None: never."""


OWNER_PRINCIPAL = Principal(
    kind="owner", id="owner", name="owner", role="admin", scopes=ROLE_SCOPES["admin"], profile=OWNER
)


class CredentialsChanged(Event):
    """What somebody may, or that they may anything, has changed.

    A key was revoked, a user disabled, demoted or given another password, a session ended: what they hold open has to
    be closed, and what is remembered of them forgotten.
    """

    principal: str = ""
    """Id of the key or session."""
    user: str = ""
    """Id of the user: all of their keys and sessions."""
    reason: str
    """`revoked`, `disabled`, `role`, `password`, `logout`, `reuse`."""


class Identify(Request[Principal]):
    """Whose is this key, access token or ticket? Raises `security.unauthorized` for all that are worth nothing."""

    idempotent = True

    credential: SecretStr
    """As it was offered."""


class Tokens(BaseModel):
    """What a log-in gives."""

    model_config = ConfigDict(frozen=True)

    access_token: SecretStr
    """JWT, for `Authorization: Bearer`."""
    refresh_token: SecretStr
    """Worth one refresh."""
    expires_in: int
    """Seconds that the access token lives."""
    refresh_expires_in: int
    """Seconds that the refresh token lives."""
    principal: Principal
    """Who logged in."""


class LogIn(Request[Tokens]):
    """Let this person in.

    Raises `security.bad_login` for an unknown name and a wrong password alike, `security.slow_down` (with
    `retry_after`) after too many of them.
    """

    login: str = Field(max_length=200)
    """The user's name; letters' case makes no difference."""
    password: SecretStr
    """As typed; at most 1 024 bytes."""
    address: str
    """Of the client, for delays and the audit log."""
    client: str = ""
    """What the client calls itself, for people."""


class Refresh(Request[Tokens]):
    """New tokens for a refresh token, which is used up by it. One that was used before ends the whole session."""

    refresh_token: SecretStr
    """As the last log-in or refresh gave it."""
    address: str
    """Of the client, for the audit log."""


class LogOut(Request[None]):
    """End a session."""

    session: str
    """Id of the session."""


MOST_TICKET_S = 600.0
"""Longest life of a ticket."""


class MakeTicket(Request[SecretStr]):
    """A secret that stands for `principal` once within a while: for browsers, whose WebSockets can send no header."""

    principal: Principal
    """Whom it stands for."""
    lives_s: float = Field(default=30.0, gt=0, le=MOST_TICKET_S)
    """Seconds within which; not of a page's."""
    page: bool = False
    """Not for a WebSocket but for a page in the owner's browser, which exchanges it for a session within 5 minutes
    (`EnterByTicket`). Raises `security.owner_only` for everybody else."""


class EnterByTicket(Request[Tokens]):
    """Let the page in that was opened with this ticket.

    Raises `security.unauthorized` for one that is worth nothing, also for one that was used.
    """

    ticket: SecretStr
    """As `MakeTicket` gave it for a page."""
    address: str
    """Of the client, for the audit log."""
    client: str = ""
    """What the client calls itself, for people."""
