"""Who there is, in memory: users, keys and sessions as the database has them, kept current by their only writer."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from services.messages.security import PAGE_SCOPES, ROLE_SCOPES, Principal, Role, Scope
from services.security.errors import Unauthorized
from services.security.tokens import hashed, prefix_of


@dataclass(frozen=True, slots=True)
class UserRow:
    id: str
    name: str
    role: Role
    profile: str
    password_hash: str | None = field(repr=False)
    disabled: bool
    created_at: float
    """Seconds since 1970, like all times here."""
    last_login_at: float | None = None


@dataclass(slots=True)
class Use:
    """When a key was used; the one thing that changes without a statement of its own."""

    first_at: float | None = None
    last_at: float | None = None
    hours: int = 0
    """Bit n: it was used in hour n of a week (UTC, from Monday)."""
    written_at: float = 0.0
    """When the database was told last."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    id: str
    name: str
    prefix: str
    hash: bytes = field(repr=False)
    role: Role
    scopes: tuple[Scope, ...]
    """Empty: all that the role may."""
    user: str
    """Id; empty: nobody's."""
    profile: str
    """Of nobody's key; empty: its user's."""
    created_at: float
    expires_at: float | None
    revoked: bool
    use: Use = field(compare=False)


@dataclass(frozen=True, slots=True)
class SessionRow:
    id: str
    user: str
    """Id; empty: it is a page's in the owner's browser."""
    expires_at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """All that the database has."""

    users: tuple[UserRow, ...]
    keys: tuple[KeyRow, ...]
    sessions: tuple[SessionRow, ...]
    """Those that have neither ended nor expired."""
    places: dict[str, set[str]]
    """Networks that a user's (id) sessions were begun from."""


class Image:
    """Looked at by every request, so nothing here waits."""

    def __init__(self) -> None:
        self.loaded = False
        self.users: dict[str, UserRow] = {}
        self.keys: dict[str, KeyRow] = {}
        self.sessions: dict[str, SessionRow] = {}
        self.places: dict[str, set[str]] = {}
        self._by_name: dict[str, str] = {}
        self._by_prefix: dict[str, str] = {}

    def take(self, standing: Standing) -> set[str]:
        """Replace everything by what the database has. Ids of the keys, sessions and users that are worth less now
        or something else, which should be none: nobody else writes, but backups are restored."""
        before = dict(self._credentials())
        uses = {key.id: key.use for key in self.keys.values()}
        self.users = {user.id: user for user in standing.users}
        self.keys = {key.id: replace(key, use=uses.get(key.id, key.use)) for key in standing.keys}
        self.sessions = {session.id: session for session in standing.sessions}
        self.places = standing.places
        self._by_name = {user.name.casefold(): user.id for user in self.users.values()}
        self._by_prefix = {key.prefix: key.id for key in self.keys.values()}
        self.loaded = True
        after = dict(self._credentials())
        return {name for name, worth in before.items() if after.get(name) != worth}

    def put_user(self, user: UserRow) -> None:
        self.users[user.id] = user
        self._by_name[user.name.casefold()] = user.id

    def put_key(self, key: KeyRow) -> None:
        self.keys[key.id] = key
        self._by_prefix[key.prefix] = key.id

    def user(self, id_or_name: str) -> UserRow | None:
        return self.users.get(id_or_name) or self.users.get(self._by_name.get(id_or_name.casefold(), ""))

    def known_from(self, user: str) -> set[str]:
        """Networks that the user's sessions were begun from, ended ones included."""
        return self.places.get(user, set())

    def by_secret(self, secret: str, now: float) -> Principal:
        """Raises Unauthorized."""
        key = self.keys.get(self._by_prefix.get(prefix_of(secret), ""))
        # Compared even where there is none of this prefix, so that both take the same time.
        fits = hmac.compare_digest(hashed(secret), key.hash if key else bytes(32))
        if key is None or not fits:
            raise Unauthorized
        return self.of_key(key.id, now)

    def of_key(self, key_id: str, now: float) -> Principal:
        """Who a key is at this moment. Raises Unauthorized."""
        key = self.keys.get(key_id)
        if key is None or key.revoked or (key.expires_at is not None and key.expires_at <= now):
            raise Unauthorized
        role, profile = key.role, key.profile
        scopes = frozenset(key.scopes) & ROLE_SCOPES[role] if key.scopes else ROLE_SCOPES[role]
        if key.user:
            user = self.users.get(key.user)
            if user is None or user.disabled:
                raise Unauthorized
            profile = user.profile
            scopes &= ROLE_SCOPES[user.role]
            if not ROLE_SCOPES[role] <= ROLE_SCOPES[user.role]:
                role = user.role
        return Principal(
            kind="key",
            id=key.id,
            user=key.user,
            name=key.name,
            role=role,
            scopes=scopes,
            profile=profile,
            expires_at=key.expires_at,
        )

    def of_session(self, session_id: str, now: float, *, until: float) -> Principal:
        """Who a session is at this moment; `until`: when what proves it expires. Raises Unauthorized."""
        session = self.sessions.get(session_id)
        if session is not None and not session.user:
            return _of_page(session, now, until)
        user = self.users.get(session.user) if session else None
        if session is None or user is None or user.disabled or min(session.expires_at, until) <= now:
            raise Unauthorized
        return Principal(
            kind="session",
            id=session.id,
            user=user.id,
            name=user.name,
            role=user.role,
            scopes=ROLE_SCOPES[user.role],
            profile=user.profile,
            expires_at=min(session.expires_at, until),
        )

    def end_sessions(self, user: str) -> None:
        self.sessions = {name: session for name, session in self.sessions.items() if session.user != user}

    def _credentials(self) -> Iterable[tuple[str, object]]:
        for user in self.users.values():
            yield user.id, (user.role, user.profile, user.disabled, user.password_hash)
        for key in self.keys.values():
            yield key.id, (key.role, key.scopes, key.user, key.profile, int(key.expires_at or 0), key.revoked)
        for session in self.sessions.values():
            yield session.id, session.user


def _of_page(session: SessionRow, now: float, until: float) -> Principal:
    expires_at = min(session.expires_at, until)
    if expires_at <= now:
        raise Unauthorized
    return Principal(
        kind="session", id=session.id, name="owner", role="user", scopes=PAGE_SCOPES, expires_at=expires_at
    )
