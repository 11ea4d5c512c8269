"""Who may log in, and the keys of programs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.messages.security import Role, Scope
from solo.bus import Request


class User(BaseModel):
    """Somebody who may log in."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Does not change when the name does."""
    name: str
    """Log-in name."""
    role: Role
    """What they may at most."""
    profile: str
    """Whose data they work with."""
    disabled: bool
    """They may not log in, and their keys are worth nothing."""
    created_at: str
    """ISO 8601."""
    last_login_at: str | None = None
    """ISO 8601; None: never."""


class CreateUser(Request[User]):
    """Raises `security.name_taken`, `security.weak_password`."""

    login: str = Field(min_length=1, max_length=100)
    """Log-in name."""
    role: Role = "user"
    """What they may at most."""
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
    """The new one."""
    disabled: bool | None = None
    """Whether they may not log in."""
    password: SecretStr | None = None
    """The new one; ends all sessions."""
    by: str = "owner"
    """Name of who does it, for the audit log."""


class Key(BaseModel):
    """An API key, without its secret."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Names the key where its secret must not be shown."""
    name: str
    """What it is for, as its maker called it."""
    prefix: str
    """How it begins, to recognise it by."""
    role: Role
    """What it may at most."""
    scopes: tuple[Scope, ...]
    """What it may."""
    user: str = ""
    """Id of the user it belongs to; empty: nobody's."""
    profile: str
    """Whose data it works with."""
    created_at: str
    """ISO 8601."""
    expires_at: str | None = None
    """ISO 8601, from when on it is worth nothing; None: never."""
    last_used_at: str | None = None
    """ISO 8601, to the minute; None: never."""
    revoked: bool = False
    """It is worth nothing any more."""


class NewKey(BaseModel):
    """A key, and once and never again its secret."""

    model_config = ConfigDict(frozen=True)

    key: Key
    """All of it that may be shown again."""
    secret: SecretStr
    """The key itself."""


class CreateKey(Request[NewKey]):
    """Raises `security.bad_scope` when it asks for more than its role may."""

    label: str = Field(min_length=1, max_length=100)
    """What it is for."""
    role: Role = "service"
    """What it may at most."""
    scopes: tuple[Scope, ...] = ()
    """Empty: all that the role may."""
    expires_in_s: float | None = Field(default=None, gt=0)
    """Seconds from now on; None: for ever."""
    user: str = ""
    """Id or name of the user it belongs to. Nobody's: an admin's or service's works with the owner's data, another
    with data of its own."""
    by: str = "owner"
    """Name of who does it, for the audit log."""


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
    """Name of who does it, for the audit log."""
