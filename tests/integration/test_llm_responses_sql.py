"""Kept answers in a real PostgreSQL: over a restart, bounded, cleared; a frozen database delays nobody for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.llm.responses import Responses
from services.llm.responses_store import MOST_WAITING_BYTES, READ_WITHIN_S
from services.messages.responses import CacheState
from solo.storage import Database, Schema
from solo.storage.connect import connect
from solo.storage.migrations import migrate
from tests import postgres
from tests.stubs.answers import SAID, Model, ask, asked, end

CACHE = Schema("cache", Path(__file__).parents[2] / "services" / "llm" / "migrations" / "cache")
MIB = 1024**2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    """One server for all tests, started again for each: its tables stay, empty."""
    async with postgres.database(folder, [CACHE]) as opened:
        await opened.execute("DELETE FROM cache.responses")
        yield opened


def responses(database: Database, **options: float) -> Responses:
    stored = int(options.get("stored_bytes", MIB))
    return Responses(database, True, options.get("ttl_s", 60.0), int(options.get("memory_bytes", MIB)), stored)


async def stored(cache: Responses, entries: int) -> CacheState:
    """When so many are in the database."""
    async with asyncio.timeout(10):
        while (state := await cache.state()).stored_entries != entries:
            await asyncio.sleep(0.01)
    return state


def quick(**fields: object) -> Model:
    model = Model(**fields)  # type: ignore[arg-type]
    model.token_s = 0.0
    return model


async def test_an_answer_outlives_the_daemon(database: Database) -> None:
    model = quick()
    before = responses(database)
    async with before.running():
        await ask(before, model)
    after = responses(database)  # what was waiting has been written
    async with after.running():
        said, known = await ask(after, model)
        assert (said, known.from_cache, model.asked) == (SAID, True, 1)
        await ask(after, model)
        state = await stored(after, 1)
        assert (state.hits_stored, state.hits_memory, state.misses) == (1, 1, 0)
        assert state.stored_bytes is not None
        assert state.stored_bytes > len(SAID)
        async with asyncio.timeout(10):
            while await database.fetchval("SELECT hits FROM cache.responses") != 2:
                await asyncio.sleep(0.01)


async def test_only_for_its_own_profile_and_model(database: Database) -> None:
    model = quick()
    cache = responses(database, memory_bytes=0)
    async with cache.running():
        await ask(cache, model)
        await stored(cache, 1)
        await ask(cache, model, asked(profile="anna"))
        async for _ in cache.through(asked(), "another model", model.answer):
            pass
        assert model.asked == 3
        await stored(cache, 3)


async def test_until_its_time_is_over_also_when_that_is_shortened(database: Database) -> None:
    model = quick()
    cache = responses(database, memory_bytes=0, ttl_s=3600)
    async with cache.running():
        await ask(cache, model)
        await stored(cache, 1)
        await database.execute("UPDATE cache.responses SET created_at = now() - interval '10 minutes'")
        assert (await ask(cache, model))[1].from_cache
    shorter = responses(database, memory_bytes=0, ttl_s=300)
    async with shorter.running():
        assert not (await ask(shorter, model))[1].from_cache
        async with asyncio.timeout(10):  # and takes the place of the old one
            while not await database.fetchval("SELECT created_at > now() - interval '1 minute' FROM cache.responses"):
                await asyncio.sleep(0.01)
        await database.execute("UPDATE cache.responses SET expires_at = now()")
        assert not (await ask(shorter, model))[1].from_cache


async def test_what_the_database_says_is_used_in_memory_no_longer_than_there(database: Database) -> None:
    model = quick()
    cache = responses(database, ttl_s=3600)
    async with cache.running():
        await ask(cache, model)
        await stored(cache, 1)
    later = responses(database, ttl_s=3600)
    await database.execute("UPDATE cache.responses SET expires_at = now() + interval '2 s'")
    async with later.running():
        await ask(later, model)
        (entry,) = later._memory._entries.values()
        assert 0 < entry.until - asyncio.get_running_loop().time() <= 2


@pytest.mark.parametrize("value", ["", "no JSON", '{"version": 2}', '{"version": 1, "deltas": [], "end": {}}'])
async def test_what_cannot_be_read_is_asked_again_and_written_over(database: Database, value: str) -> None:
    model = quick()
    cache = responses(database, memory_bytes=0)
    async with cache.running():
        await ask(cache, model)
        await stored(cache, 1)
        await database.execute("UPDATE cache.responses SET value = $1", value)
        assert not (await ask(cache, model))[1].from_cache
        async with asyncio.timeout(10):
            while await database.fetchval("SELECT value FROM cache.responses") == value:
                await asyncio.sleep(0.01)
        assert (await ask(cache, model))[1].from_cache


async def test_characters_that_a_text_column_does_not_hold(database: Database) -> None:
    model = quick(words=("nul \0 and \x1b", " \U0001f600\n\"'\\"))
    cache = responses(database, memory_bytes=0)
    async with cache.running():
        first = await ask(cache, model)
        await stored(cache, 1)
        assert (await ask(cache, model))[0] == first[0]


async def test_the_limit_holds_and_maintenance_knows_it(database: Database) -> None:
    model = quick(words=("x" * 10_000,))
    cache = responses(database, stored_bytes=100_000, memory_bytes=0)
    async with cache.running():
        for number in range(40):
            await ask(cache, model, asked(f"{number}?"))
        async with asyncio.timeout(10):
            while cache._store._rows:
                await asyncio.sleep(0.01)
    rows = await database.fetch("SELECT task, result, failure FROM solo.maintain()")
    results = {row["task"]: row["result"] for row in rows}
    assert results["cache.responses"].startswith("0 responses expired")
    state = await cache.state()
    assert state.stored_bytes is not None
    assert 50_000 < state.stored_bytes <= 100_000
    assert await database.fetchval("SELECT most_bytes FROM cache.limits") == 100_000


async def test_what_is_used_stays(database: Database) -> None:
    model = quick(words=("x" * 10_000,))
    cache = responses(database, memory_bytes=0)
    async with cache.running():
        for text in ("old", "new"):
            await ask(cache, model, asked(text))
            await stored(cache, 1 if text == "old" else 2)
        assert (await ask(cache, model, asked("old")))[1].from_cache
        async with asyncio.timeout(10):
            while not await database.fetchval("SELECT sum(hits) FROM cache.responses"):
                await asyncio.sleep(0.01)
        assert await database.fetchval("SELECT cache.expire(15000)") == "0 responses expired, 1 evicted"
        assert (await ask(cache, model, asked("old")))[1].from_cache
    assert model.asked == 2


async def test_clearing_counts_each_answer_once_wherever_it_is(database: Database) -> None:
    model = quick()
    cache = responses(database)
    async with cache.running():
        for profile in ("owner", "anna", "ben"):
            await ask(cache, model, asked(profile=profile))
        await stored(cache, 3)
        cache._memory.clear("", "ben")  # only in the database
        assert await cache.clear("", "anna") == 1
        assert await cache.clear("no such model", "") == 0
        assert await cache.clear("tiny", "") == 2
        assert await cache.clear("", "") == 0
        await ask(cache, model)
        assert model.asked == 4


async def test_what_waits_to_be_written_is_cleared_too(database: Database) -> None:
    model = quick()
    cache = responses(database)
    async with cache.running():
        async with cache._store._writing:  # the writer is held up
            await ask(cache, model)
            clearing = asyncio.ensure_future(cache.clear("", ""))
            await asyncio.sleep(0)
        assert await clearing == 1
        await ask(cache, model, asked("More?"))
        state = await stored(cache, 1)
        assert state.memory_entries == 1


async def test_a_frozen_database_delays_one_question_by_no_more_than_its_deadline(tmp_path: Path) -> None:
    model = quick()
    async with postgres.server(tmp_path) as address, postgres.proxy(address) as between:
        connection = await connect(address)
        await migrate(connection, [CACHE])
        await connection.close()
        opened = Database()
        await opened.open(between.address(address))
        cache = responses(opened, memory_bytes=0)
        async with cache.running():
            await ask(cache, model)
            await stored(cache, 1)
            between.mood = "freeze"
            took = []
            for number in range(10):
                began = time.monotonic()
                assert await ask(cache, model, asked(f"{number}?")) == (SAID, end())
                took.append(time.monotonic() - began)
            # Not figures: the first waits for its own deadline and no other, the rest for nothing.
            assert took[0] < READ_WITHIN_S + 1
            assert sum(took[1:]) < READ_WITHIN_S * 9
            assert (await cache.state()).stored_entries is None
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert cache._store.dropped >= 10 - 1
        await opened.close()


async def test_it_is_used_again_when_the_database_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.llm.responses_store.AWAY_S", 0.05)
    monkeypatch.setattr("services.llm.responses_store._WRITE_WITHIN_S", 0.2)
    model = quick()
    async with postgres.server(tmp_path) as address, postgres.proxy(address) as between:
        connection = await connect(address)
        await migrate(connection, [CACHE])
        await connection.close()
        opened = Database()
        await opened.open(between.address(address))
        cache = responses(opened, memory_bytes=0)
        async with cache.running():
            await ask(cache, model)
            await stored(cache, 1)
            between.mood = "freeze"
            await ask(cache, model, asked("More?"))
            async with asyncio.timeout(10):
                while not cache._store.dropped:
                    await asyncio.sleep(0.01)
            between.mood = "pass"
            async with asyncio.timeout(10):
                while not (await ask(cache, model))[1].from_cache:
                    await asyncio.sleep(0.01)
        await opened.close()


async def test_what_waits_is_bounded(database: Database) -> None:
    model = quick(words=("x" * 900_000,))
    cache = responses(database, memory_bytes=0, stored_bytes=100 * MIB)
    async with cache.running():
        async with cache._store._writing:
            for number in range(20):
                await ask(cache, model, asked(f"{number}?"))
            assert cache._store._bytes <= MOST_WAITING_BYTES
            fit = MOST_WAITING_BYTES // 900_000
            assert (await cache.state()).dropped == 20 - fit
        await stored(cache, fit)
