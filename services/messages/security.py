"""Who asks, what they may, how they prove it, and what is written down of it."""

from __future__ import annotations

from typing import Literal

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

SCOPES: tuple[Scope, ...] = (
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
)
ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    "admin": frozenset(SCOPES),
    "user": frozenset(
        {"chat", "audio", "embed", "models.read", "memory.read", "memory.write", "status.read", "keys.own"}
    ),
    "guest": frozenset({"chat", "audio", "models.read"}),
    "service": frozenset({"chat", "audio", "embed", "models.read", "memory.read", "memory.write", "status.read"}),
}
"""The most that each role may; a key may be narrower, never wider."""


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
    """A key was revoked, a user disabled, demoted or given another password, a session ended: what they hold open has
    to be closed, and what is remembered of them forgotten."""

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


class LogIn(Request[Tokens]):
    """Let this person in. Raises `security.bad_login` for an unknown name and a wrong password alike,
    `security.slow_down` (with `retry_after`) after too many of them."""

    login: str = Field(max_length=200)
    password: SecretStr
    address: str
    """Of the client, for delays and the audit log."""
    client: str = ""
    """What the client calls itself, for people."""


class Refresh(Request[Tokens]):
    """New tokens for a refresh token, which is used up by it. One that was used before ends the whole session."""

    refresh_token: SecretStr
    address: str


class LogOut(Request[None]):
    """End a session."""

    session: str


class MakeTicket(Request[SecretStr]):
    """A secret that stands for `principal` once within 30 s: for WebSockets of browsers, which can send no header."""

    principal: Principal


class User(BaseModel):
    """Somebody who may log in."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    role: Role
    profile: str
    disabled: bool
    created_at: str
    """ISO 8601."""
    last_login_at: str | None = None


class CreateUser(Request[User]):
    """Raises `security.name_taken`, `security.weak_password`."""

    login: str = Field(min_length=1, max_length=100)
    role: Role = "user"
    password: SecretStr | None = None
    """None: keys only, no log-in."""
    by: str = "owner"
    """Name of who does it, for the audit log."""


class ListUsers(Request[tuple[User, ...]]):
    """All users, by name."""

    idempotent = True


class ChangeUser(Request[User]):
    """Role, password, or whether they may log in at all; None leaves it. Raises `security.no_user`."""

    user: str
    """Id or name."""
    role: Role | None = None
    disabled: bool | None = None
    password: SecretStr | None = None
    by: str = "owner"


class Key(BaseModel):
    """An API key, without its secret."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    prefix: str
    """How it begins, to recognise it by."""
    role: Role
    scopes: tuple[Scope, ...]
    user: str = ""
    """Id of the user it belongs to; empty: nobody's."""
    profile: str
    created_at: str
    """ISO 8601."""
    expires_at: str | None = None
    last_used_at: str | None = None
    revoked: bool = False


class NewKey(BaseModel):
    """A key, and once and never again its secret."""

    model_config = ConfigDict(frozen=True)

    key: Key
    secret: SecretStr


class CreateKey(Request[NewKey]):
    """Raises `security.bad_scope` when it asks for more than its role may."""

    label: str = Field(min_length=1, max_length=100)
    role: Role = "service"
    scopes: tuple[Scope, ...] = ()
    """Empty: all that the role may."""
    expires_in_s: float | None = Field(default=None, gt=0)
    user: str = ""
    """Id or name of the user it belongs to. Nobody's: an admin's or service's works with the owner's data, another
    with data of its own."""
    by: str = "owner"


class ListKeys(Request[tuple[Key, ...]]):
    """Keys, newest first."""

    idempotent = True

    user: str = ""
    """Only those of this user (id); empty: all."""


class RevokeKey(Request[Key]):
    """Worth nothing from now on. Raises `security.no_key`."""

    key: str
    """Id or name."""
    user: str = ""
    """Only if it belongs to this user (id); empty: anybody's."""
    by: str = "owner"
