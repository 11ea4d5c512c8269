"""The SQL of chats: every statement names the profile whose chats they are."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from services.messages.chats import EXCHANGE_STORED, Chat, Exchange
from solo.storage import Database

# One round trip and one transaction: the chat, both messages, and the note for those who act on it afterwards.
_STORE = """
WITH chat AS (
    INSERT INTO chats.chats AS c (profile, name, first_at, last_at) VALUES ($1, $2, $3, $3)
    ON CONFLICT (profile, name) DO UPDATE SET last_at = greatest(c.last_at, excluded.last_at)
    RETURNING id
), stored AS (
    INSERT INTO chats.messages (chat_id, profile, turn_id, role, content, at, source, outcome)
    SELECT chat.id, $1, $4, said.role, said.content, $3, $7, $8
    FROM chat, (VALUES (1, 'user', $5::text), (2, 'assistant', $6::text)) AS said (place, role, content)
    ORDER BY said.place
    ON CONFLICT (turn_id, role) DO NOTHING
    RETURNING role
), noted AS (
    INSERT INTO solo.outbox (topic, body) SELECT $9, $10::jsonb WHERE EXISTS (SELECT 1 FROM stored)
)
SELECT count(*) FROM stored
"""

_ALL = """
SELECT q.turn_id, q.profile, c.name AS talk, q.content AS heard, a.content AS said, q.outcome, q.source, q.at
FROM chats.chats c
JOIN chats.messages q ON q.chat_id = c.id AND q.role = 'user'
JOIN chats.messages a ON a.turn_id = q.turn_id AND a.role = 'assistant' AND a.profile = q.profile
WHERE c.profile = $1 AND q.profile = $1
"""
_EXCHANGES = f"{_ALL} AND c.name = $2 "


class ChatStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, exchange: Exchange, *, within: float) -> bool:
        """Committed when it returns; False: it was there already."""
        at = datetime.fromisoformat(exchange.at)
        body = json.dumps(exchange.model_dump(mode="json"), ensure_ascii=False)
        new = await self._database.fetchval(
            _STORE,
            exchange.profile,
            exchange.talk,
            at,
            exchange.turn_id,
            _plain(exchange.heard),
            _plain(exchange.said),
            exchange.source,
            exchange.outcome,
            EXCHANGE_STORED,
            _plain_json(body),
            within=within,
        )
        return bool(new)

    async def recent(self, profile: str, talk: str, newer_than_s: float, limit: int) -> tuple[Exchange, ...]:
        """Oldest first; nothing when the last exchange is older than that."""
        rows = await self._database.fetch(
            _EXCHANGES + "AND c.last_at > now() - $3::interval ORDER BY q.at DESC, q.id DESC LIMIT $4",
            profile,
            talk,
            timedelta(seconds=newer_than_s),
            limit,
        )
        return tuple(_exchange(row) for row in reversed(rows))

    async def page(self, profile: str, talk: str | None, limit: int, before: datetime | None) -> tuple[Exchange, ...]:
        """Newest first; `talk` None: of all chats together."""
        if talk is None:
            rows = await self._database.fetch(
                _ALL + "AND ($2::timestamptz IS NULL OR q.at < $2) ORDER BY q.at DESC, q.id DESC LIMIT $3",
                profile,
                before,
                limit,
            )
            return tuple(_exchange(row) for row in rows)
        rows = await self._database.fetch(
            _EXCHANGES + "AND ($3::timestamptz IS NULL OR q.at < $3) ORDER BY q.at DESC, q.id DESC LIMIT $4",
            profile,
            talk,
            before,
            limit,
        )
        return tuple(_exchange(row) for row in rows)

    async def chats(self, profile: str, limit: int) -> tuple[Chat, ...]:
        rows = await self._database.fetch(
            "SELECT c.name, c.first_at, c.last_at, (SELECT count(*) FROM chats.messages m WHERE m.chat_id = c.id "
            "AND m.profile = $1 AND m.role = 'user') AS exchanges FROM chats.chats c WHERE c.profile = $1 "
            "ORDER BY c.last_at DESC LIMIT $2",
            profile,
            limit,
        )
        return tuple(
            Chat(
                name=row["name"],
                exchanges=row["exchanges"],
                first_at=row["first_at"].isoformat(),
                last_at=row["last_at"].isoformat(),
            )
            for row in rows
        )

    async def forget(self, profile: str, talk: str) -> int:
        """Exchanges that went with the chat."""
        gone: int = await self._database.fetchval(
            "WITH gone AS (DELETE FROM chats.messages m USING chats.chats c WHERE m.chat_id = c.id AND m.profile = $1 "
            "AND c.profile = $1 AND c.name = $2 RETURNING m.role), "
            "chat AS (DELETE FROM chats.chats WHERE profile = $1 AND name = $2) "
            "SELECT count(*) FROM gone WHERE role = 'user'",
            profile,
            talk,
        )
        return gone


def _plain(text: str) -> str:
    """PostgreSQL's text holds every character but NUL, and no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _plain_json(text: str) -> str:
    return _plain(text.replace("\\u0000", ""))


def _exchange(row: object) -> Exchange:
    fields = dict(row)  # type: ignore[call-overload]  # asyncpg's Record
    return Exchange(**{**fields, "at": fields["at"].isoformat()})
