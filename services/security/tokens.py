"""Secrets and tokens: how they are made, recognised and kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import jwt

from services.security.errors import Unauthorized
from solo.state_dir import StateDirUnusable, replace_file

SECRET_FILE = "session.secret"  # noqa: S105  # a name
SECRET_BYTES = 32
"""As many as SHA-256 has (RFC 7518, 3.2)."""
ALGORITHM = "HS256"
ISSUER = "solo"
AUDIENCE = "solo"
ACCESS = "access"
MOST_CHARACTERS = 2048
"""No credential of ours is longer."""
EARLY_S = 60.0
"""Seconds that a token may be from the future: clocks differ. One that has expired has no such grace."""
KEY_MARK = "solo_"
TICKET_MARK = "ticket_"
PAGE_MARK = "page_"
"""Of tickets that a page exchanges for a session; they are worth nothing as a credential."""
_PREFIX_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_PREFIX_LENGTH = 8


def hashed(secret: str) -> bytes:
    """SHA-256, 32 bytes: enough for secrets that are random, unlike passwords."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_secret() -> str:
    """32 random bytes."""
    return secrets.token_urlsafe(32)


def new_key() -> tuple[str, str]:
    """(prefix, whole key). The prefix finds it and may be shown."""
    prefix = KEY_MARK + "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH))
    return prefix, f"{prefix}_{new_secret()}"


def prefix_of(key: str) -> str:
    return key[: len(KEY_MARK) + _PREFIX_LENGTH]


def signing_secret(state_dir: Path) -> bytes:
    """Made at the first start, readable by this user alone; another one ends every access token."""
    path = state_dir / SECRET_FILE
    try:
        known = base64.b64decode(path.read_text(encoding="ascii").strip(), validate=True)
    except FileNotFoundError:
        known = b""
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise StateDirUnusable(f"cannot read {path}", hint="Delete it: a new one is made, log-ins go on.") from error
    if len(known) >= SECRET_BYTES:
        return known
    made = secrets.token_bytes(SECRET_BYTES)
    replace_file(path, base64.b64encode(made).decode() + "\n")
    return made


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token that holds says."""

    user: str
    session: str
    expires_at: float
    """Seconds since 1970."""


class AccessTokens:
    """JWTs, signed and checked with one algorithm and one key: what a token's header says of either is not asked."""

    def __init__(self, secret: bytes, *, lives_s: float, wall: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._wall = wall
        self.lives_s = lives_s

    def make(self, user: str, session: str) -> str:
        now = int(self._wall())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": ACCESS,
            "sub": user,
            "sid": session,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "nbf": now,
            "exp": now + int(self.lives_s),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def read(self, token: str) -> Access:
        """Raises Unauthorized."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                # Times are looked at below, by our own clock and with different grace for early and late.
                options={
                    "require": ["iss", "aud", "sub", "jti", "exp", "nbf"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
            raise Unauthorized from error
        user, session, expires_at, begins_at = (claims.get(name) for name in ("sub", "sid", "exp", "nbf"))
        now = self._wall()
        if not (
            claims.get("typ") == ACCESS
            and claims["aud"] == AUDIENCE  # not one of several
            and isinstance(user, str)
            and isinstance(session, str)
            and _is_time(expires_at)
            and _is_time(begins_at)
            and begins_at - EARLY_S <= now < expires_at
        ):
            raise Unauthorized
        return Access(user, session, float(expires_at))


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
