"""The life of the indexes of vectors in PostgreSQL: made, filled, built, put to use, dropped."""

# ruff: noqa: S608  # names of tables are made of numbers, and everything else is a parameter

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from services.memory.store import Index, IndexGone, IndexIncomplete
from solo.logs import get_logger
from solo.storage import Connection, Database

M = 16
EF_CONSTRUCTION = 64
"""pgvector's defaults; with 200 000 vectors of 384 numbers they recall what is wanted (tests/bench/memory.py)."""
_BUILD_WITHIN_S = 6 * 3600.0
_WRITE_WITHIN_S = 30.0
_LEAST_BUILD_MB = 64
_MOST_BUILD_MB = 1024
_GRAPH_BYTES = 600
"""Of a vector in the graph while it is built, besides the vector itself: 2 x M neighbours and what keeps them."""
_YIELD_MS = 200
"""Dropping gives up after this long and tries again: sooner than PostgreSQL looks for deadlocks (1 s), so that a
search or a deletion that waits for it never is the one that is ended."""
_DROP_TRIES = 50

_log = get_logger(store="pgvector")


def halves(vectors: bytes, dimensions: int) -> list[Any]:
    """pgvector's HalfVectors of float32 rows, little-endian. Raises ValueError when they are no whole rows."""
    from pgvector import HalfVector

    row = struct.Struct(f"<{dimensions}f")
    if len(vectors) % row.size:
        raise ValueError(f"{len(vectors)} bytes are not rows of {dimensions} float32")
    wire = struct.Struct(f">HH{dimensions}e")
    return [HalfVector.from_binary(wire.pack(dimensions, 0, *values)) for values in row.iter_unpack(vectors)]


def table_of(key: int) -> str:
    """Made of a number only: names cannot be parameters."""
    return f"rag_vector.index_{key:d}"


class VectorIndexes:
    """Each index is a table of its own: their dimensions differ, and one can be dropped at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._filled: dict[int, int] = {}

    async def all(self) -> Sequence[Index]:
        rows = await self._database.fetch(
            "SELECT id, embedder, dimensions, state FROM rag.indexes WHERE state <> 'retired' ORDER BY id"
        )
        return [Index(str(row["id"]), row["embedder"], row["dimensions"], row["state"]) for row in rows]

    async def create(self, embedder: str, dimensions: int) -> Index:
        async with self._database.transaction(within=_WRITE_WITHIN_S) as connection:
            # Waits for documents that are being added, and keeps others away until it is decided.
            await connection.execute("LOCK TABLE rag.indexes IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute("SELECT FROM rag.indexes FOR UPDATE")
            has_documents = await connection.fetchval("SELECT EXISTS (SELECT FROM rag.documents)")
            state = "building" if has_documents else "active"
            await connection.execute(
                "UPDATE rag.indexes SET state = 'retired' WHERE state = 'building' OR $1 = 'active'", state
            )
            key: int = await connection.fetchval(
                "INSERT INTO rag.indexes (embedder, dimensions, state, activated_at)"
                " VALUES ($1, $2, $3, CASE $3 WHEN 'active' THEN now() END) RETURNING id",
                embedder,
                dimensions,
                state,
            )
            await self._make_table(connection, key, dimensions)
            if state == "active":
                await connection.execute(_hnsw(key))
        await self.sweep()
        return Index(str(key), embedder, dimensions, "active" if state == "active" else "building")

    async def _make_table(self, connection: Connection, key: int, dimensions: int) -> None:
        table = table_of(key)
        await connection.execute(f"""
CREATE TABLE {table} (
    chunk_id bigint PRIMARY KEY REFERENCES rag.chunks ON DELETE CASCADE,
    profile text NOT NULL,
    collection_id bigint NOT NULL,
    document_id uuid NOT NULL,
    embedding halfvec({dimensions:d}) NOT NULL
);
-- In the row itself, whatever its size: each look into a side table would cost more than the comparison.
ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX index_{key:d}_scope ON {table} (profile, collection_id, document_id);
COMMENT ON TABLE {table} IS 'Vectors of the passages, see rag.indexes.';
COMMENT ON COLUMN {table}.chunk_id IS 'The passage.';
COMMENT ON COLUMN {table}.profile IS 'Whose it is, as in rag.chunks.';
COMMENT ON COLUMN {table}.collection_id IS 'Where it is, as in rag.chunks.';
COMMENT ON COLUMN {table}.document_id IS 'The document that it is of, as in rag.chunks.';
COMMENT ON COLUMN {table}.embedding IS 'Of length 1, in half precision.';
""")

    async def missing(self, index: Index, limit: int) -> Sequence[tuple[str, str]]:
        key = int(index.key)
        # Up to there nothing was missing the last time. A document that was being added then may have lower ids, so
        # "nothing" is said only after looking from the start.
        after = self._filled.get(key, 0)
        try:
            rows = await self._missing(key, after, limit)
            if not rows and after:
                rows = await self._missing(key, 0, limit)
        except asyncpg.UndefinedTableError:
            raise IndexGone from None
        if rows:
            self._filled[key] = rows[0]["id"] - 1
        return [(str(row["id"]), row["text"]) for row in rows]

    async def _missing(self, key: int, after: int, limit: int) -> list[Any]:
        return await self._database.fetch(
            f"SELECT c.id, c.text FROM rag.chunks c WHERE c.id > $1"
            f" AND NOT EXISTS (SELECT FROM {table_of(key)} v WHERE v.chunk_id = c.id) ORDER BY c.id LIMIT $2",
            after,
            limit,
            within=_WRITE_WITHIN_S,
        )

    async def add(self, index: Index, vectors: Sequence[tuple[str, bytes]]) -> None:
        key = int(index.key)
        ids = [int(chunk) for chunk, _ in vectors]
        rows = halves(b"".join(vector for _, vector in vectors), index.dimensions)
        if len(rows) != len(ids):
            raise ValueError(f"{len(rows)} vectors for {len(ids)} passages")
        async with self._database.transaction(within=_WRITE_WITHIN_S + 0.02 * len(ids)) as connection:
            await self.hold(connection, index)
            await connection.execute(
                f"INSERT INTO {table_of(key)} (chunk_id, profile, collection_id, document_id, embedding)"
                " SELECT c.id, c.profile, c.collection_id, c.document_id, v.embedding"
                " FROM unnest($1::bigint[], $2::halfvec[]) AS v (chunk_id, embedding)"
                " JOIN rag.chunks c ON c.id = v.chunk_id ORDER BY c.id FOR KEY SHARE OF c"
                " ON CONFLICT (chunk_id) DO NOTHING",
                ids,
                rows,
            )

    async def hold(self, connection: Connection, index: Index, *, active: bool = False) -> None:
        """It stays what it is until the transaction ends. Raises IndexGone, also when `active` and it is not."""
        states = ["active"] if active else ["active", "building"]
        held = await connection.fetchval(
            "SELECT 1 FROM rag.indexes WHERE id = $1 AND state = ANY($2::text[]) FOR SHARE", int(index.key), states
        )
        if held is None:
            raise IndexGone

    async def progress(self, index: Index) -> tuple[int, int]:
        try:
            row = await self._database.fetchrow(
                f"SELECT (SELECT count(*) FROM {table_of(int(index.key))}) AS done,"
                " (SELECT coalesce(sum(chunks), 0) FROM rag.collections)::bigint AS total"
            )
        except asyncpg.UndefinedTableError:
            raise IndexGone from None
        assert row is not None
        return row["done"], row["total"]

    async def activate(self, index: Index) -> None:
        key = int(index.key)
        state = await self._database.fetchval("SELECT state FROM rag.indexes WHERE id = $1", key)
        if state == "active":
            return
        if state != "building":
            raise IndexGone
        await self._build(key, index.dimensions)
        async with self._database.transaction(within=_WRITE_WITHIN_S) as connection:
            await connection.execute("SELECT FROM rag.indexes ORDER BY id FOR UPDATE")  # waits for what is being added
            if await connection.fetchval("SELECT state FROM rag.indexes WHERE id = $1", key) != "building":
                raise IndexGone
            if await connection.fetchval(
                "SELECT EXISTS (SELECT FROM rag.chunks c WHERE NOT EXISTS"
                f" (SELECT FROM {table_of(key)} v WHERE v.chunk_id = c.id))"
            ):
                raise IndexIncomplete
            await connection.execute("UPDATE rag.indexes SET state = 'retired' WHERE state = 'active'")
            await connection.execute("UPDATE rag.indexes SET state = 'active', activated_at = now() WHERE id = $1", key)
        await self.sweep()

    async def _build(self, key: int, dimensions: int) -> None:
        """HNSW over what is in the table: several times faster than adding to it row by row.

        CONCURRENTLY, since otherwise nobody could forget a document meanwhile.
        """
        async with self._database.connection(within=_BUILD_WITHIN_S) as connection:
            valid = await connection.fetchval(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", f"rag_vector.index_{key:d}_hnsw"
            )
            if valid:
                return
            if valid is not None:  # a building of it was cut off
                await connection.execute(f"DROP INDEX rag_vector.index_{key:d}_hnsw")
            rows = await connection.fetchval(f"SELECT count(*) FROM {table_of(key)}")
            needed = rows * (2 * dimensions + _GRAPH_BYTES) // 1024**2
            memory = min(max(needed * 5 // 4, _LEAST_BUILD_MB), _MOST_BUILD_MB)
            await connection.execute(f"SET maintenance_work_mem = '{memory}MB'")
            try:
                await connection.execute(_hnsw(key, "CONCURRENTLY"), timeout=_BUILD_WITHIN_S)
                await connection.execute(f"ANALYZE {table_of(key)}", timeout=_BUILD_WITHIN_S)
            finally:
                if not connection.is_closed():
                    await connection.execute("RESET maintenance_work_mem")

    async def sweep(self) -> None:
        """Drop the tables of retired indexes. What cannot be had now is left for the next time."""
        rows = await self._database.fetch("SELECT id FROM rag.indexes WHERE state = 'retired'")
        for row in rows:
            key: int = row["id"]
            for _ in range(_DROP_TRIES):
                with suppress(asyncpg.LockNotAvailableError):
                    await self._drop(key)
                    break
                await asyncio.sleep(_YIELD_MS / 1000)
            else:
                _log.warning("the table of a retired index is in use and is kept", index=key)

    async def _drop(self, key: int) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(f"SET LOCAL lock_timeout = '{_YIELD_MS}ms'")
            await connection.execute(f"DROP TABLE IF EXISTS {table_of(key)}")
            await connection.execute("DELETE FROM rag.indexes WHERE id = $1 AND state = 'retired'", key)
        self._filled.pop(key, None)


def _hnsw(key: int, how: str = "") -> str:
    return (
        f"CREATE INDEX {how} index_{key:d}_hnsw ON {table_of(key)}"
        f" USING hnsw (embedding halfvec_ip_ops) WITH (m = {M}, ef_construction = {EF_CONSTRUCTION})"
    )
