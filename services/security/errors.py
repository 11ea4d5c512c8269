"""What the guard's service refuses, by name."""

from __future__ import annotations

from solo.errors import SoloError


class Unauthorized(SoloError):
    """This key, token or ticket is worth nothing here."""

    code = "security.unauthorized"


class SecurityUnavailable(SoloError):
    """Keys and users have not been read from the database yet."""

    code = "security.unavailable"


class BadLogin(SoloError):
    """The name or the password is wrong."""

    code = "security.bad_login"


class SlowDown(SoloError):
    """Too many log-ins failed; this one was not looked at."""

    code = "security.slow_down"
    retry_after: float = 1.0
    """Seconds after which another one is looked at."""

    def __init__(self, message: str | None = None, *, hint: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class PasswordsBusy(SoloError):
    """Too many passwords are being checked at this moment."""

    code = "security.busy"


class WeakPassword(SoloError):
    """This password is too easy to guess."""

    code = "security.weak_password"


class NameTaken(SoloError):
    """There is one of this name already."""

    code = "security.name_taken"


class NoUser(SoloError):
    """There is no such user."""

    code = "security.no_user"


class NoKey(SoloError):
    """There is no such key."""

    code = "security.no_key"


class OwnerOnly(SoloError):
    """Only the owner's key may do this."""

    code = "security.owner_only"


class BadScope(SoloError):
    """A key may not do more than its role, and its role not more than its user."""

    code = "security.bad_scope"
