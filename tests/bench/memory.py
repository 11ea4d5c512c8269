"""Searching 200 000 passages: recall, times beside bare asyncpg, sizes, and how PostgreSQL goes about it."""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console

from services.memory.adapters import plans
from services.memory.adapters.pgvector_index import halves, table_of
from services.memory.adapters.pgvector_store import PgvectorStore
from services.memory.store import Index, Query
from services.messages.profiles import OWNER
from solo import logs
from solo.settings import DatabaseSettings
from solo.storage import Address, Database, Schema
from solo.storage.cluster import Cluster, usual_memory_mb
from solo.storage.connect import connect
from solo.storage.embedded import ServerProcess
from solo.storage.migrations import migrate
from tests.bench.corpus import Corpus

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "services/memory/migrations"
SCHEMAS = (Schema("rag", MIGRATIONS / "rag"), Schema("rag_vector", MIGRATIONS / "rag_vector"))
SHARES = {"one": 0.01, "ten": 0.1, "half": 0.5, "rest": 0.39}
CASES = {"no filter": None, "filter of 1 %": "one", "filter of 10 %": "ten", "filter of 50 %": "half"}
TOP = 10
QUESTIONS = 300
WARM = 50
_LONG_S = 3600.0
_VECTOR = re.compile(r"'\[[-0-9.e,]{100,}\]'")


async def fill(database: Database, store: PgvectorStore, corpus: Corpus) -> dict[str, Any]:
    """Everything written, the index built and in use."""
    figures: dict[str, Any] = {}
    ids = {
        name: await database.fetchval(
            "INSERT INTO rag.collections (profile, name) VALUES ($1, $2) RETURNING id", OWNER, name
        )
        for name in corpus.shares
    }
    async with database.connection(within=_LONG_S) as connection:
        began = time.perf_counter()
        await connection.copy_records_to_table(
            "documents",
            schema_name="rag",
            columns=["id", "collection_id", "profile", "name", "media_type", "sha256", "bytes", "chunks", "added_at"],
            records=corpus.documents(OWNER, ids),
        )
        await connection.copy_records_to_table(
            "chunks",
            schema_name="rag",
            columns=["id", "document_id", "collection_id", "profile", "char_offset", "text"],
            records=corpus.passages(OWNER, ids),
            timeout=_LONG_S,
        )
        figures["texts written, s"] = round(time.perf_counter() - began, 1)
        await connection.execute("ANALYZE rag.chunks", timeout=_LONG_S)
    index = await store.create_index("synthetic", corpus.dimensions)
    began = time.perf_counter()
    for start in range(0, corpus.chunks, 1000):
        rows = corpus.vectors[start : start + 1000]
        await store.add_vectors(index, [(str(start + n + 1), row.tobytes()) for n, row in enumerate(rows)])
    took = time.perf_counter() - began
    figures["vectors added to an index being built, per s"] = round(corpus.chunks / took)
    began = time.perf_counter()
    await store.activate(index)
    figures["HNSW built and put to use, s"] = round(time.perf_counter() - began, 1)
    return figures


async def sizes(database: Database, index: Index) -> dict[str, Any]:
    names = {
        "passages with their words, MB": "rag.chunks",
        "vectors, MB": table_of(int(index.key)),
        "HNSW, MB": f"{table_of(int(index.key))}_hnsw",
        "index of words, MB": "rag.chunks_by_word",
    }
    found = {}
    for what, name in names.items():
        is_table = what.startswith(("passages", "vectors"))
        size = "pg_table_size" if is_table else "pg_relation_size"
        found[what] = round(await database.fetchval(f"SELECT {size}($1::text::regclass)", name) / 1e6)
    return found


class Bare:
    """The same statements by asyncpg alone, on one connection."""

    def __init__(self, connection: Any, shares: dict[str, float]) -> None:
        self._connection = connection
        self._shares = shares

    async def search(self, query: Query) -> tuple[Any, ...]:
        """The hot statement and its parameters, which was asked."""
        scope = await self._connection.fetchrow(
            plans.SCOPE, query.profile, query.collection, query.document, query.text
        )
        words = plans.followed(scope["words"], self._shares, scope["total"])
        sql = plans.search_sql(
            table_of(scope["id"]),
            exact=scope["rows"] <= plans.EXACT_ROWS,
            words=len(words),
            rows=scope["rows"],
            by_collection=query.collection is not None,
            by_document=False,
            top=query.top,
        )
        vector = halves(query.vector, scope["dimensions"])[0]
        parameters = (query.profile, words, scope["collection_ids"], None, scope["total"], vector)
        assert len(await self._connection.fetch(sql, *parameters)) == query.top
        return (sql, *parameters)

    async def near(self, query: Query) -> list[Any]:
        """By vectors alone: (chunk_id, distance)."""
        scope = await self._connection.fetchrow(
            plans.SCOPE, query.profile, query.collection, query.document, query.text
        )
        sql = plans.near_sql(
            table_of(scope["id"]),
            exact=scope["rows"] <= plans.EXACT_ROWS,
            by_collection=query.collection is not None,
            top=query.top,
        )
        vector = halves(query.vector, scope["dimensions"])[0]
        rows: list[Any] = await self._connection.fetch(sql, query.profile, scope["collection_ids"], vector)
        return rows


async def ask(store: PgvectorStore, bare: Bare, corpus: Corpus, questions: list[Any], case: str) -> dict[str, Any]:
    """Times are of single questions, one after the other; the store and asyncpg take turns in going first."""
    collection = CASES[case]
    queries = [Query(OWNER, text, vector.tobytes(), collection, None, TOP) for text, vector in questions]
    recalled = 0.0
    for query, (_, vector) in zip(queries, questions, strict=True):
        near = {row["chunk_id"] - 1 for row in await bare.near(query)}
        recalled += len(near & corpus.nearest(vector, collection, TOP)) / TOP
    took: dict[str, list[float]] = {"hybrid": [], "bare": [], "vectors": []}
    ways = {"hybrid": store.search, "bare": bare.search, "vectors": bare.near}
    for number, query in enumerate(queries):
        for what in sorted(ways, reverse=bool(number % 2)):
            began = time.perf_counter()
            await ways[what](query)
            if number >= WARM:
                took[what].append(time.perf_counter() - began)
    medians = {what: statistics.median(times) * 1000 for what, times in took.items()}
    p95 = {what: statistics.quantiles(times, n=20)[-1] * 1000 for what, times in took.items()}
    return {
        f"{case}: recall@10": round(recalled / len(questions), 4),
        f"{case}: hybrid p50 / p95 ms": f"{medians['hybrid']:.1f} / {p95['hybrid']:.1f}",
        f"{case}: vectors alone p50 / p95 ms": f"{medians['vectors']:.1f} / {p95['vectors']:.1f}",
        f"{case}: same SQL by asyncpg p50 / p95 ms": f"{medians['bare']:.1f} / {p95['bare']:.1f}",
        f"{case}: ratio of the medians": round(medians["hybrid"] / medians["bare"], 2),
    }


async def explain(connection: Any, bare: Bare, questions: list[Any]) -> str:
    said = []
    for case in ("no filter", "filter of 1 %", "filter of 10 %"):
        query = Query(OWNER, questions[-1][0], questions[-1][1].tobytes(), CASES[case], None, TOP)
        sql, *parameters = await bare.search(query)
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}", *parameters)
        said += [f"-- {case}", *(_VECTOR.sub("'[...]'", row[0]) for row in rows), ""]
    return "\n".join(said)


async def compare(address: Address, database: Database, corpus: Corpus) -> tuple[dict[str, Any], str]:
    from pgvector.asyncpg import register_vector

    store = PgvectorStore(database)
    options = address.options()
    settings = {"application_name": "bare", "jit": "off", "timezone": "UTC"}
    connection = await asyncpg.connect(**options, server_settings=settings)
    try:
        await register_vector(connection)
        bare = Bare(connection, {row["word"]: row["share"] for row in await connection.fetch(plans.SHARES)})
        questions = corpus.questions(QUESTIONS)
        figures: dict[str, Any] = {}
        for case in CASES:
            figures |= await ask(store, bare, corpus, questions, case)
        return figures, await explain(connection, bare, questions)
    finally:
        await connection.close()


async def _measure(chunks: int) -> tuple[dict[str, Any], str]:
    corpus = Corpus(chunks, SHARES)
    memory_mb = DatabaseSettings().memory_mb or usual_memory_mb()
    with tempfile.TemporaryDirectory(prefix="solo-bench-") as folder:
        async with ServerProcess(Cluster(Path(folder), memory_mb, 8)).running(ready_within=60) as address:
            connection = await connect(address)
            await migrate(connection, SCHEMAS)
            await connection.close()
            database = Database()
            await database.open(address)
            try:
                figures: dict[str, Any] = {"passages": chunks, "dimensions": corpus.dimensions}
                figures["memory of PostgreSQL, MB"] = memory_mb
                store = PgvectorStore(database)
                figures |= await fill(database, store, corpus)
                figures |= await sizes(database, (await store.indexes())[0])
                await database.execute("VACUUM (ANALYZE)", within=60)
                asked, plan = await compare(address, database, corpus)
            finally:
                await database.close()
    return figures | asked, plan


def measure(chunks: int = 200_000) -> dict[str, Any]:
    import uvloop

    logs.configure("warning", "console")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures, plan = runner.run(_measure(chunks))
    Console(highlight=False, width=160).print(plan, markup=False)
    return figures
