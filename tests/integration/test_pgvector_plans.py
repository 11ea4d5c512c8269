"""PostgreSQL goes about a search as was meant: HNSW where much is left, one by one where little is, and finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.memory.adapters import plans
from services.memory.adapters.pgvector_index import halves, table_of
from services.memory.adapters.pgvector_store import PgvectorStore
from services.memory.store import Index, Query
from services.messages.profiles import OWNER
from solo.storage import Database
from tests.bench.corpus import Corpus
from tests.bench.memory import SCHEMAS, fill
from tests.postgres import database

CHUNKS = 20_000
SHARES = {"one": 0.01, "rest": 0.99}
TOP = 10


class World:
    """A filled store, made once."""

    def __init__(self, db: Database, corpus: Corpus, index: Index) -> None:
        self.db = db
        self.store = PgvectorStore(db)
        self.corpus = corpus
        self.index = index
        self.questions = corpus.questions(40)

    async def near(self, vector: Any, collection: str | None, *, exact: bool) -> set[int]:
        scope = await self.db.fetchrow(plans.SCOPE, OWNER, collection, None, "")
        assert scope is not None
        sql = plans.near_sql(table_of(int(self.index.key)), exact=exact, by_collection=collection is not None, top=TOP)
        (half,) = halves(vector.tobytes(), self.corpus.dimensions)
        return {row["chunk_id"] - 1 for row in await self.db.fetch(sql, OWNER, scope["collection_ids"], half)}

    async def recall(self, collection: str | None, *, exact: bool) -> float:
        found = 0
        for _, vector in self.questions:
            near = await self.near(vector, collection, exact=exact)
            assert len(near) == TOP
            found += len(near & self.corpus.nearest(vector, collection, TOP))
        return found / (TOP * len(self.questions))

    async def explain(self, collection: str | None, *, exact: bool) -> str:
        text, vector = self.questions[0]
        scope = await self.db.fetchrow(plans.SCOPE, OWNER, collection, None, text)
        assert scope is not None
        assert scope["is_tuned"]
        words = plans.followed(scope["words"], {}, scope["total"])
        sql = plans.search_sql(
            table_of(int(self.index.key)),
            words=len(words),
            rows=scope["rows"],
            by_collection=collection is not None,
            by_document=False,
            top=TOP,
            exact=exact,
        )
        rows = await self.db.fetch(
            f"EXPLAIN {sql}",
            OWNER,
            words,
            scope["collection_ids"],
            None,
            scope["total"],
            *halves(vector.tobytes(), self.corpus.dimensions),
        )
        return "\n".join(row[0] for row in rows)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    made: asyncio.Future[World] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def keep() -> None:
        corpus = Corpus(CHUNKS, SHARES, clusters=100)
        async with database(tmp_path_factory.mktemp("plans"), SCHEMAS) as db:
            store = PgvectorStore(db)
            await fill(db, store, corpus)
            await db.execute("ANALYZE", within=60)
            made.set_result(World(db, corpus, (await store.indexes())[0]))
            await done.wait()

    keeping = asyncio.create_task(keep())
    await asyncio.wait([keeping, made], return_when=asyncio.FIRST_COMPLETED)
    if keeping.done():
        await keeping
    yield made.result()
    done.set()
    await keeping


pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def test_without_a_filter_hnsw_is_asked(world: World) -> None:
    plan = await world.explain(None, exact=False)
    assert f"Index Scan using index_{world.index.key}_hnsw" in plan
    assert "Function Scan on matching" in plan


async def test_words_are_asked_of_their_index_however_short_the_table(world: World) -> None:
    """Without the setting of rag.matching this is a sequential scan."""
    settings = await world.db.fetchval("SELECT proconfig FROM pg_proc WHERE oid = 'rag.matching'::regproc")
    async with world.db.transaction() as connection:
        for setting in settings:
            await connection.execute(f"SET LOCAL {setting}")
        rows = await connection.fetch(
            "EXPLAIN SELECT id FROM unnest($1::text[]) AS w (word) CROSS JOIN LATERAL"
            " (SELECT id FROM rag.chunks WHERE words @@ w.word::tsquery LIMIT 300) m",
            ["'one'"],
        )
    assert "chunks_by_word" in "\n".join(row[0] for row in rows)


async def test_behind_a_small_filter_each_row_is_compared(world: World) -> None:
    plan = await world.explain("one", exact=True)
    assert "_hnsw" not in plan
    assert f"index_{world.index.key}_scope" in plan


async def test_a_search_picks_the_plan_by_what_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    real = plans.search_sql

    def listening(*arguments: Any, exact: bool, **named: Any) -> str:
        asked.append(exact)
        return real(*arguments, exact=exact, **named)

    monkeypatch.setattr(plans, "search_sql", listening)
    monkeypatch.setattr(plans, "EXACT_ROWS", CHUNKS // 2)
    text, vector = world.questions[0]
    for collection in (None, "one"):
        assert len(await world.store.search(Query(OWNER, text, vector.tobytes(), collection, None, TOP))) == TOP
    assert asked == [False, True]


@pytest.mark.parametrize("collection", [None, "one"])
async def test_what_is_near_is_found(world: World, collection: str | None) -> None:
    assert await world.recall(collection, exact=collection is not None) >= 0.98


async def test_comparing_each_misses_nothing_but_ties(world: World) -> None:
    assert await world.recall(None, exact=True) >= 0.998


async def test_when_hnsw_gives_up_before_it_has_enough_each_row_is_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "EXACT_ROWS", 0)
    real, asked = plans.search_sql, []

    def first_gives_up(*arguments: Any, exact: bool, **named: Any) -> str:
        asked.append(exact)
        sql = real(*arguments, exact=exact, **named)
        return sql if exact else sql.replace(f"LIMIT {plans.CANDIDATES}", "LIMIT 3")

    monkeypatch.setattr(plans, "search_sql", first_gives_up)
    _, vector = world.questions[0]
    hits = await world.store.search(Query(OWNER, "", vector.tobytes(), "one", None, TOP))
    assert len(hits) == TOP
    assert asked == [False, True]


async def test_the_settings_of_hnsw_took_effect(world: World) -> None:
    async with world.db.connection() as connection:
        await connection.fetchrow(plans.SCOPE, OWNER, None, None, "")
        assert await connection.fetchval("SHOW hnsw.iterative_scan") == "relaxed_order"
        assert await connection.fetchval("SHOW hnsw.ef_search") == str(plans.EF_SEARCH)
