"""The facts in PostgreSQL: every query is told whose."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.memory.facts.likeness import normalised
from services.messages.facts import Fact
from solo.errors import SoloError
from solo.storage import Connection, Database

MOST_KNOWN = 2000
"""Living facts of a person that are recalled from, those said last: it bounds what comparing with all of them costs."""
_FIELDS = "id, subject, text, turn_id, created_at, updated_at"


class FactUnknown(SoloError):
    """There is no such fact."""

    code = "memory.no_fact"


class FactExists(SoloError):
    """Another fact already says so."""

    code = "memory.fact_exists"


@dataclass(frozen=True, slots=True)
class Known:
    """A living fact and its vector."""

    fact: Fact
    embedder: str | None
    embedding: bytes | None


@dataclass(frozen=True, slots=True)
class NewFact:
    id: uuid.UUID
    profile: str
    subject: str
    text: str
    turn_id: str | None
    embedder: str | None = None
    embedding: bytes | None = None


def fact_id(text: str) -> uuid.UUID:
    """Raises FactUnknown for what is no UUID."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise FactUnknown(f"{text!r} is not the id of a fact", hint="`solo memory facts` lists them.") from None


class FactStore:
    """What it returned from is committed. Raises a DatabaseError when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def living(self, profile: str, limit: int = MOST_KNOWN) -> list[Known]:
        """Newest first, with their vectors."""
        rows = await self._database.fetch(
            f"SELECT {_FIELDS}, embedder, embedding FROM rag.facts "  # noqa: S608  # a constant
            "WHERE profile = $1 AND superseded_at IS NULL ORDER BY updated_at DESC, id LIMIT $2",
            profile,
            limit,
        )
        return [Known(_fact(row), row["embedder"], row["embedding"]) for row in rows]

    async def get(self, profile: str, which: uuid.UUID) -> Fact | None:
        """Also one that was superseded."""
        row = await self._database.fetchrow(
            f"SELECT {_FIELDS} FROM rag.facts WHERE profile = $1 AND id = $2",  # noqa: S608  # a constant
            profile,
            which,
        )
        return None if row is None else _fact(row)

    async def count(self) -> int:
        """Of all profiles."""
        counted: int = await self._database.fetchval("SELECT count(*) FROM rag.facts WHERE superseded_at IS NULL")
        return counted

    async def add(self, new: NewFact, *, supersedes: bool, same: uuid.UUID | None = None) -> tuple[Fact, bool]:
        """The fact that holds now, and whether it is new.

        The same id changes nothing; the same words, or those of the fact `same`, only renew its date; with `supersedes`
        the other living facts about the subject end here.
        """
        async with self._database.transaction() as connection:
            # One writer for each person: two that say the same at once would both find nothing.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('rag.facts ' || $1, 0))", new.profile
            )
            present = await self._present(connection, new, same)
            if present is not None:
                return present, False
            row = await connection.fetchrow(
                "INSERT INTO rag.facts (id, profile, subject, text, normalised, turn_id, embedder, embedding) "  # noqa: S608
                f"VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING RETURNING {_FIELDS}",
                new.id,
                new.profile,
                new.subject,
                new.text,
                normalised(new.text),
                new.turn_id,
                new.embedder,
                new.embedding,
            )
            if row is None:
                raise FactExists(f"the id {new.id} is taken", hint="Leave it out, or make another one.")
            if supersedes:
                await connection.execute(
                    "UPDATE rag.facts SET superseded_by = $3, superseded_at = now() "
                    "WHERE profile = $1 AND subject = $2 AND id <> $3 AND superseded_at IS NULL",
                    new.profile,
                    new.subject,
                    new.id,
                )
            return _fact(row), True

    async def _present(self, connection: Connection, new: NewFact, same: uuid.UUID | None) -> Fact | None:
        row = await connection.fetchrow(
            f"SELECT {_FIELDS} FROM rag.facts WHERE profile = $1 AND id = $2",  # noqa: S608  # a constant
            new.profile,
            new.id,
        )
        if row is None:
            row = await connection.fetchrow(
                "UPDATE rag.facts SET updated_at = now() "  # noqa: S608  # a constant
                "WHERE profile = $1 AND superseded_at IS NULL AND (normalised = $2 OR id = $3) "
                f"RETURNING {_FIELDS}",
                new.profile,
                normalised(new.text),
                same,
            )
        return None if row is None else _fact(row)

    async def edit(self, profile: str, which: uuid.UUID, text: str) -> Fact:
        """New words; its vector is made afresh. Raises FactUnknown, or FactExists when another one says that."""
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag.facts ' || $1, 0))", profile)
            taken = await connection.fetchval(
                "SELECT id FROM rag.facts "
                "WHERE profile = $1 AND normalised = $2 AND id <> $3 AND superseded_at IS NULL",
                profile,
                normalised(text),
                which,
            )
            if taken is not None:
                raise FactExists(f"the fact {taken} already says so", hint="Forget one of the two.")
            row = await connection.fetchrow(
                "UPDATE rag.facts SET text = $3, normalised = $4, embedder = NULL, embedding = NULL, "  # noqa: S608
                "updated_at = now() WHERE profile = $1 AND id = $2 AND superseded_at IS NULL "
                f"RETURNING {_FIELDS}",
                profile,
                which,
                text,
                normalised(text),
            )
            if row is None:
                raise FactUnknown(f"there is no fact {which}", hint="`solo memory facts` lists them.")
            return _fact(row)

    async def forget(self, profile: str, which: uuid.UUID | None) -> int:
        """Living facts forgotten, with what they superseded: nothing of it comes back. None: all of the profile."""
        if which is None:
            tag = await self._database.fetchval(
                "WITH gone AS (DELETE FROM rag.facts WHERE profile = $1 RETURNING superseded_at) "
                "SELECT count(*) FROM gone WHERE superseded_at IS NULL",
                profile,
            )
            return int(tag)
        gone = await self._database.fetchval(
            "WITH RECURSIVE chain (id) AS ("
            "  SELECT id FROM rag.facts WHERE profile = $1 AND id = $2"
            "  UNION SELECT f.id FROM rag.facts f JOIN chain ON f.superseded_by = chain.id WHERE f.profile = $1"
            "), gone AS (DELETE FROM rag.facts WHERE profile = $1 AND id IN (SELECT id FROM chain) RETURNING id) "
            "SELECT count(*) FILTER (WHERE id = $2) FROM gone",
            profile,
            which,
        )
        return int(gone)

    async def foreign(self, embedder: str, limit: int) -> list[tuple[uuid.UUID, str]]:
        """Living facts of all profiles without a vector of this embedder: (id, text)."""
        rows = await self._database.fetch(
            "SELECT id, text FROM rag.facts WHERE superseded_at IS NULL AND embedder IS DISTINCT FROM $1 "
            "ORDER BY updated_at DESC LIMIT $2",
            embedder,
            limit,
        )
        return [(row["id"], row["text"]) for row in rows]

    async def embed(self, embedder: str, vectors: Sequence[tuple[uuid.UUID, str, bytes]]) -> None:
        """(id, the text that was embedded, vector); a fact that was edited meanwhile is passed over."""
        await self._database.execute(
            "UPDATE rag.facts f SET embedder = $1, embedding = v.embedding "
            "FROM unnest($2::uuid[], $3::text[], $4::bytea[]) AS v (id, text, embedding) "
            "WHERE f.id = v.id AND f.text = v.text",
            embedder,
            [which for which, _, _ in vectors],
            [text for _, text, _ in vectors],
            [vector for _, _, vector in vectors],
        )

    async def recipe(self, embedder: str) -> dict[str, Any] | None:
        """The settings that this embedder was made with."""
        found = await self._database.fetchval("SELECT recipe FROM rag.embedders WHERE name = $1", embedder)
        return None if found is None else dict(json.loads(found))

    async def keep_recipe(self, embedder: str, recipe: dict[str, Any]) -> None:
        await self._database.execute(
            "INSERT INTO rag.embedders (name, recipe) VALUES ($1, $2::jsonb) "
            "ON CONFLICT (name) DO UPDATE SET recipe = excluded.recipe, used_at = now()",
            embedder,
            json.dumps(recipe),
        )


def _fact(row: Any) -> Fact:
    return Fact(
        id=str(row["id"]),
        text=row["text"],
        subject=row["subject"],
        created_at=_utc(row["created_at"]),
        updated_at=_utc(row["updated_at"]),
        turn_id=row["turn_id"],
    )


def _utc(moment: datetime) -> str:
    return moment.isoformat()
