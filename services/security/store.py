"""The SQL of users, keys and sessions; its only caller writes alone, so nothing here is looked at twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.messages.profiles import OWNER
from services.security.delays import network
from services.security.errors import NameTaken
from services.security.image import KeyRow, SessionRow, Standing, Use, UserRow
from solo.storage import Connection, Database

_LOAD_WITHIN_S = 10.0
HOURS_BYTES = 21
"""168 hours of a week, a bit each."""


class SecurityStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Standing:
        async with self._database.transaction(within=_LOAD_WITHIN_S) as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            users = await connection.fetch("SELECT * FROM users.users ORDER BY name")
            keys = await connection.fetch("SELECT * FROM users.keys ORDER BY created_at")
            sessions = await connection.fetch(
                "SELECT id, user_id, expires_at FROM users.sessions WHERE ended_at IS NULL AND expires_at > now()"
            )
            places = await connection.fetch(
                "SELECT DISTINCT user_id, address FROM users.sessions WHERE address <> '' AND user_id IS NOT NULL"
            )
        known: dict[str, set[str]] = {}
        for row in places:
            known.setdefault(str(row["user_id"]), set()).add(network(row["address"]))
        return Standing(
            users=tuple(_user(row) for row in users),
            keys=tuple(_key(row) for row in keys),
            sessions=tuple(
                SessionRow(str(row["id"]), str(row["user_id"] or ""), row["expires_at"].timestamp()) for row in sessions
            ),
            places=known,
        )

    async def add_user(self, user: UserRow) -> None:
        """Raises NameTaken."""
        async with self._database.transaction() as connection:
            await _add_profile(connection, user.profile, user.name)
            try:
                await connection.execute(
                    "INSERT INTO users.users (id, name, profile, role, password_hash, created_at) "
                    "VALUES ($1, $2, $3, $4, $5, $6)",
                    uuid.UUID(user.id),
                    user.name,
                    user.profile,
                    user.role,
                    user.password_hash,
                    _when(user.created_at),
                )
            except asyncpg.UniqueViolationError as error:
                raise NameTaken(f"there is a user named {user.name} already") from error

    async def change_user(self, user: UserRow, *, end_sessions: bool) -> None:
        async with self._database.transaction() as connection:
            await _add_profile(connection, user.profile, user.name)
            await connection.execute(
                "UPDATE users.users SET role = $2, profile = $3, password_hash = $4, "
                "disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) END WHERE id = $1",
                uuid.UUID(user.id),
                user.role,
                user.profile,
                user.password_hash,
                user.disabled,
            )
            if end_sessions:
                await connection.execute(
                    "UPDATE users.sessions SET ended_at = now() WHERE user_id = $1 AND ended_at IS NULL",
                    uuid.UUID(user.id),
                )

    async def add_key(self, key: KeyRow) -> None:
        """Raises NameTaken."""
        async with self._database.transaction() as connection:
            if key.profile:
                await _add_profile(connection, key.profile, key.name)
            try:
                await connection.execute(
                    "INSERT INTO users.keys (id, name, prefix, hash, role, scopes, user_id, profile, created_at, "
                    "expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    uuid.UUID(key.id),
                    key.name,
                    key.prefix,
                    key.hash,
                    key.role,
                    list(key.scopes),
                    uuid.UUID(key.user) if key.user else None,
                    key.profile or None,
                    _when(key.created_at),
                    None if key.expires_at is None else _when(key.expires_at),
                )
            except asyncpg.UniqueViolationError as error:
                raise NameTaken(f"there is a key named {key.name} already", hint="Revoke it first.") from error

    async def revoke_key(self, key: str) -> None:
        await self._database.execute(
            "UPDATE users.keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1", uuid.UUID(key)
        )

    async def note_uses(self, uses: Iterable[tuple[str, Use]]) -> None:
        rows = [(uuid.UUID(key), use) for key, use in uses]
        await self._database.execute(
            "UPDATE users.keys k SET first_used_at = u.first_at, last_used_at = u.last_at, hours_used = u.hours "
            "FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bytea[]) "
            "AS u (id, first_at, last_at, hours) WHERE k.id = u.id",
            [key for key, _ in rows],
            [_when(use.first_at or 0.0) for _, use in rows],
            [_when(use.last_at or 0.0) for _, use in rows],
            [use.hours.to_bytes(HOURS_BYTES, "big") for _, use in rows],
        )

    async def begin_session(
        self,
        session: SessionRow,
        *,
        token: bytes,
        address: str,
        client: str,
        now: float,
        password_hash: str | None = None,
    ) -> None:
        """`password_hash`: one made anew, None: as it was."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "INSERT INTO users.sessions (id, user_id, token_hash, client, address, created_at, last_seen_at, "
                "expires_at) VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
                uuid.UUID(session.id),
                uuid.UUID(session.user) if session.user else None,
                token,
                client,
                address,
                _when(now),
                _when(session.expires_at),
            )
            await _add_token(connection, token, session.id)
            if not session.user:
                return
            await connection.execute(
                "UPDATE users.users SET last_login_at = $2, password_hash = coalesce($3, password_hash) WHERE id = $1",
                uuid.UUID(session.user),
                _when(now),
                password_hash,
            )

    async def session_of(self, token: bytes) -> tuple[str, bool] | None:
        """(session, used before) of a refresh token."""
        row = await self._database.fetchrow(
            "SELECT session_id, used_at IS NOT NULL AS used FROM users.refresh_tokens WHERE hash = $1", token
        )
        return None if row is None else (str(row["session_id"]), row["used"])

    async def rotate(self, old: bytes, new: bytes, session: SessionRow) -> bool:
        """Exchange a refresh token; False: it has been used."""
        async with self._database.transaction() as connection:
            used = await connection.fetchval(
                "UPDATE users.refresh_tokens SET used_at = now() WHERE hash = $1 AND used_at IS NULL RETURNING true",
                old,
            )
            if not used:
                return False
            await _add_token(connection, new, session.id)
            await connection.execute(
                "UPDATE users.sessions SET token_hash = $2, last_seen_at = now(), expires_at = $3 WHERE id = $1",
                uuid.UUID(session.id),
                new,
                _when(session.expires_at),
            )
        return True

    async def end_session(self, session: str) -> None:
        await self._database.execute(
            "UPDATE users.sessions SET ended_at = coalesce(ended_at, now()) WHERE id = $1", uuid.UUID(session)
        )


async def _add_profile(connection: Connection, profile: str, name: str) -> None:
    if profile != OWNER:
        await connection.execute(
            "INSERT INTO users.profiles (profile, display_name) VALUES ($1, $2) ON CONFLICT DO NOTHING", profile, name
        )


async def _add_token(connection: Connection, token: bytes, session: str) -> None:
    await connection.execute(
        "INSERT INTO users.refresh_tokens (hash, session_id) VALUES ($1, $2)", token, uuid.UUID(session)
    )


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _user(row: Any) -> UserRow:
    return UserRow(
        id=str(row["id"]),
        name=row["name"],
        role=row["role"],
        profile=row["profile"],
        password_hash=row["password_hash"],
        disabled=row["disabled_at"] is not None,
        created_at=row["created_at"].timestamp(),
        last_login_at=_seconds(row["last_login_at"]),
    )


def _key(row: Any) -> KeyRow:
    last = _seconds(row["last_used_at"])
    return KeyRow(
        id=str(row["id"]),
        name=row["name"],
        prefix=row["prefix"],
        hash=row["hash"],
        role=row["role"],
        scopes=tuple(row["scopes"]),
        user="" if row["user_id"] is None else str(row["user_id"]),
        profile=row["profile"] or "",
        created_at=row["created_at"].timestamp(),
        expires_at=_seconds(row["expires_at"]),
        revoked=row["revoked_at"] is not None,
        use=Use(_seconds(row["first_used_at"]), last, int.from_bytes(row["hours_used"], "big"), last or 0.0),
    )
