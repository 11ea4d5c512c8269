"""The memory's documents in PostgreSQL, with pgvector and its full text search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

import asyncpg

from services.memory.adapters import plans
from services.memory.adapters.pgvector_index import VectorIndexes, halves, table_of
from services.memory.adapters.wording import tidy, tidy_document, tidy_query
from services.memory.store import Index, IndexGone, NewDocument, Query, StoreUnavailable
from services.messages.memory import Collection, Document, Hit, Place
from solo.storage import Connection, Database, DatabaseError
from solo.supervision import Context

_SHARES_FOR_S = 300.0
"""How common words are changes slowly."""
_WRITE_WITHIN_S = 10.0
_WRITE_A_CHUNK_S = 0.02
"""A row of the HNSW index takes 1 to 3 ms to add where nothing else is going on."""
_FORGET_AT_ONCE = 50
"""Documents in one transaction: one of many thousand passages would outlive its deadline."""


class PgvectorStore:
    """Tables: `rag.*` for texts, one of `rag_vector.index_*` for each index of vectors."""

    name = "pgvector"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._indexes = VectorIndexes(database)
        self._shares: dict[str, float] = {}
        self._shares_until = 0.0

    async def run(self, ctx: Context) -> None:
        """The server has a service of its own; only what an earlier Solo left half dropped is dropped here."""
        with suppress(DatabaseError):  # it is tried again with the next index
            await self._indexes.sweep()

    async def indexes(self) -> Sequence[Index]:
        return await self._indexes.all()

    async def create_index(self, embedder: str, dimensions: int) -> Index:
        return await self._indexes.create(embedder, dimensions)

    async def activate(self, index: Index) -> None:
        await self._indexes.activate(index)

    async def missing(self, index: Index, limit: int) -> Sequence[tuple[str, str]]:
        return await self._indexes.missing(index, limit)

    async def add_vectors(self, index: Index, vectors: Sequence[tuple[str, bytes]]) -> None:
        await self._indexes.add(index, vectors)

    async def progress(self, index: Index) -> tuple[int, int]:
        return await self._indexes.progress(index)

    async def known(self, profile: str, collection: str, name: str, sha256: str) -> Literal["no", "same", "other"]:
        row = await self._database.fetchrow(
            "SELECT coalesce(bool_or(d.sha256 = $4), false) AS same, coalesce(bool_or(d.name = $3), false) AS other"
            " FROM rag.documents d JOIN rag.collections c ON c.id = d.collection_id"
            " WHERE c.profile = $1 AND c.name = $2 AND d.profile = $1 AND (d.sha256 = $4 OR d.name = $3)",
            profile,
            tidy(collection),
            tidy(name),
            sha256,
        )
        assert row is not None
        return "same" if row["same"] else "other" if row["other"] else "no"

    async def add(self, document: NewDocument, index: Index, vectors: bytes) -> bool:
        document = tidy_document(document)
        embeddings = halves(vectors, index.dimensions)
        if len(embeddings) != len(document.chunks):
            raise ValueError(f"{len(embeddings)} vectors for {len(document.chunks)} passages")
        within = _WRITE_WITHIN_S + _WRITE_A_CHUNK_S * len(embeddings)
        async with self._database.transaction(within=within) as connection:
            # The update locks the row: one document at a time comes into a collection.
            collection: int = await connection.fetchval(
                "INSERT INTO rag.collections (profile, name) VALUES ($1, $2)"
                " ON CONFLICT (profile, name) DO UPDATE SET name = EXCLUDED.name RETURNING id",
                document.profile,
                document.collection,
            )
            there = await connection.fetchval(
                "SELECT id FROM rag.documents WHERE collection_id = $1 AND profile = $2 AND sha256 = $3",
                collection,
                document.profile,
                document.sha256,
            )
            if there is not None:
                return bool(there == UUID(document.id))
            await self._indexes.hold(connection, index, active=True)
            await connection.execute(
                "DELETE FROM rag.documents WHERE collection_id = $1 AND profile = $2 AND name = $3",
                collection,
                document.profile,
                document.name,
            )
            await self._insert(connection, document, collection, int(index.key), embeddings, within)
        return True

    async def _insert(
        self,
        connection: Connection,
        document: NewDocument,
        collection: int,
        index: int,
        embeddings: Sequence[Any],
        within: float,
    ) -> None:
        own = (document.profile, collection, UUID(document.id))
        await connection.execute(
            "INSERT INTO rag.documents"
            " (profile, collection_id, id, name, media_type, sha256, bytes, pages, chunks, added_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            *own,
            document.name,
            document.media_type,
            document.sha256,
            document.bytes,
            document.pages,
            len(document.chunks),
            document.added_at,
        )
        numbers = await connection.fetch(
            "SELECT nextval('rag.chunks_id_seq') AS id FROM generate_series(1, $1::integer)", len(embeddings)
        )
        await connection.copy_records_to_table(
            "chunks",
            schema_name="rag",
            columns=["profile", "collection_id", "document_id", "id", "page", "char_offset", "text"],
            records=[
                (*own, number["id"], chunk.page, chunk.offset, chunk.text)
                for number, chunk in zip(numbers, document.chunks, strict=True)
            ],
            timeout=within,
        )
        schema, table = table_of(index).split(".")
        await connection.copy_records_to_table(
            table,
            schema_name=schema,
            columns=["profile", "collection_id", "document_id", "chunk_id", "embedding"],
            records=[(*own, number["id"], embedding) for number, embedding in zip(numbers, embeddings, strict=True)],
            timeout=within,
        )

    async def search(self, query: Query) -> Sequence[Hit]:
        query = tidy_query(query)
        try:
            return await self._search(query)
        except asyncpg.UndefinedTableError:  # another index took over in this moment
            return await self._search(query)

    async def _search(self, query: Query) -> Sequence[Hit]:
        async with self._database.connection() as connection:
            scope = await connection.fetchrow(plans.SCOPE, query.profile, query.collection, query.document, query.text)
            if scope is None or not scope["rows"]:
                return []
            if not scope["is_tuned"]:
                raise StoreUnavailable(
                    "pgvector does not take its settings", hint="Solo needs pgvector 0.8.4 or newer."
                )
            vector = halves(query.vector, scope["dimensions"]) if _fits(query.vector, scope["dimensions"]) else None
            words = plans.followed(scope["words"], await self._word_shares(connection), scope["total"])
            exact = scope["rows"] <= plans.EXACT_ROWS
            rows = await self._found(connection, query, scope, words, vector, exact=exact)
            if vector and not exact and len(rows) < min(query.top, scope["rows"]):
                # HNSW gave up before it had enough that pass the filter.
                rows = await self._found(connection, query, scope, words, vector, exact=True)
        return [
            Hit(
                text=row["text"],
                score=min(max(row["likeness"], 0.0), 1.0),
                collection=row["collection"],
                source=Place(document=row["document"], page=row["page"], offset=row["char_offset"]),
            )
            for row in rows
        ]

    async def _found(
        self,
        connection: Connection,
        query: Query,
        scope: Any,
        words: list[str],
        vector: list[Any] | None,
        *,
        exact: bool,
    ) -> list[Any]:
        sql = plans.search_sql(
            table_of(scope["id"]) if vector else None,
            exact=exact,
            words=len(words),
            rows=scope["rows"],
            by_collection=query.collection is not None,
            by_document=query.document is not None,
            top=query.top,
        )
        rows: list[Any] = await connection.fetch(
            sql, query.profile, words, scope["collection_ids"], scope["document_ids"], scope["total"], *(vector or ())
        )
        return rows

    async def _word_shares(self, connection: Connection) -> dict[str, float]:
        now = time.monotonic()
        if now >= self._shares_until:
            self._shares_until = now + _SHARES_FOR_S
            self._shares = {row["word"]: row["share"] for row in await connection.fetch(plans.SHARES)}
        return self._shares

    async def collections(self, profile: str) -> Sequence[Collection]:
        rows = await self._database.fetch(
            "SELECT name, documents, chunks FROM rag.collections WHERE profile = $1 AND documents > 0 ORDER BY name",
            profile,
        )
        return [Collection(name=row["name"], documents=row["documents"], chunks=row["chunks"]) for row in rows]

    async def documents(self, profile: str, collection: str | None, limit: int) -> Sequence[Document]:
        rows = await self._database.fetch(
            "SELECT d.id, c.name AS collection, d.name, d.media_type, d.sha256, d.bytes, d.pages, d.chunks, d.added_at"
            " FROM rag.documents d JOIN rag.collections c ON c.id = d.collection_id"
            " WHERE d.profile = $1 AND ($2::text IS NULL OR c.name = $2)"
            " ORDER BY d.added_at DESC, d.id LIMIT $3",
            profile,
            None if collection is None else tidy(collection),
            limit,
        )
        return [Document(**dict(row) | {"id": str(row["id"]), "added_at": row["added_at"].isoformat()}) for row in rows]

    async def forget(self, profile: str, collection: str | None, document: str | None) -> int:
        forgotten = 0
        while True:
            tag = await self._database.execute(
                "DELETE FROM rag.documents WHERE profile = $1 AND id IN ("
                " SELECT d.id FROM rag.documents d JOIN rag.collections c ON c.id = d.collection_id"
                " WHERE d.profile = $1 AND ($2::text IS NULL OR c.name = $2) AND ($3::text IS NULL OR d.name = $3)"
                " ORDER BY d.id LIMIT $4)",
                profile,
                None if collection is None else tidy(collection),
                None if document is None else tidy(document),
                _FORGET_AT_ONCE,
                within=_WRITE_WITHIN_S,
            )
            count = int(tag.split()[-1])
            forgotten += count
            if count < _FORGET_AT_ONCE:
                return forgotten

    async def count(self) -> int:
        count: int = await self._database.fetchval("SELECT coalesce(sum(documents), 0)::bigint FROM rag.collections")
        return count


def _fits(vector: bytes, dimensions: int) -> bool:
    """No vector: by words only. Raises IndexGone for one of another index, which took its place meanwhile."""
    if vector and len(vector) != 4 * dimensions:
        raise IndexGone(f"the vector has {len(vector)} bytes, the index in use has {dimensions} dimensions")
    return bool(vector)
