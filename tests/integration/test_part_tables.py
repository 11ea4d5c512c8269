"""The tables of users, models, history and the response cache: explained, and kept small by maintenance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from services.history.spec import HISTORY
from services.llm.spec import PART as LLM
from services.llm.spec import LLMSettings
from services.models.spec import MODELS
from services.security.spec import USERS
from solo.storage import Database
from tests import postgres

SCHEMAS = (USERS, MODELS, HISTORY, *LLM.tables(LLMSettings()))
NAMES = [schema.name for schema in SCHEMAS]
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    """One server for all tests, started again for each: its tables stay."""
    async with postgres.database(folder, SCHEMAS) as opened:
        yield opened


async def maintain(database: Database) -> dict[str, str]:
    rows = await database.fetch("SELECT task, result, failure FROM solo.maintain()")
    assert [row["failure"] for row in rows if row["failure"]] == []
    return {row["task"]: row["result"] for row in rows}


async def test_every_table_column_and_function_is_explained(database: Database) -> None:
    tables = await database.fetch(
        "SELECT c.oid, n.nspname || '.' || c.relname AS name, obj_description(c.oid, 'pg_class') AS comment "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p') "
        "AND n.nspname = ANY ($1::text[])",
        NAMES,
    )
    assert {"users.users", "users.profiles", "users.sessions", "models.files", "history.tasks", "cache.responses"} <= {
        table["name"] for table in tables
    }
    assert [table["name"] for table in tables if not table["comment"]] == []
    columns = await database.fetch(
        "SELECT a.attrelid::regclass || '.' || a.attname AS name FROM pg_attribute a "
        "WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped "
        "AND NOT a.attrelid::regclass::text ~ '_default$' "
        "AND col_description(a.attrelid, a.attnum) IS NULL",
        [table["oid"] for table in tables],
    )
    assert [column["name"] for column in columns] == []
    functions = await database.fetch(
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = ANY ($1::text[]) AND obj_description(p.oid, 'pg_proc') IS NULL",
        NAMES,
    )
    assert [function["name"] for function in functions] == []


async def test_none_needs_an_extension(database: Database) -> None:
    assert await database.fetch("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == []


async def test_the_owner_is_there(database: Database) -> None:
    assert await database.fetchval("SELECT profile FROM users.profiles") == "owner"


async def test_a_password_that_is_no_hash_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute(
            "INSERT INTO users.users (name, profile, password_hash) VALUES ('ann', 'owner', 'secret')"
        )


async def test_sessions_go_a_month_after_their_end(database: Database) -> None:
    user = await database.fetchval("INSERT INTO users.users (name, profile) VALUES ('Ben', 'owner') RETURNING id")
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("INSERT INTO users.users (name, profile) VALUES ('BEN', 'owner')")
    for number, (expires, ended) in enumerate(
        [
            (NOW - timedelta(days=31), None),
            (NOW + timedelta(days=9), NOW - timedelta(days=31)),
            (NOW - timedelta(days=1), None),
            (NOW + timedelta(days=9), None),
        ]
    ):
        await database.execute(
            "INSERT INTO users.sessions (user_id, token_hash, created_at, expires_at, ended_at) "
            "VALUES ($1, $2, $3, $4, $5)",
            user,
            bytes([number] * 32),
            NOW - timedelta(days=60),
            expires,
            ended,
        )
    assert (await maintain(database))["users.sessions"] == "2 old sessions forgotten"
    left = await database.fetch("SELECT token_hash FROM users.sessions ORDER BY token_hash")
    assert [row["token_hash"][0] for row in left] == [2, 3]


async def test_months_are_made_ahead_and_dropped_whole(database: Database) -> None:
    months = await database.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'history.tasks'::regclass")
    assert months == 5  # this one, three ahead, and the default
    old = (NOW.replace(day=1) - timedelta(days=460)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (old + timedelta(days=32)).replace(day=1)
    await database.execute(
        f"CREATE TABLE history.tasks_{old:%Y%m} PARTITION OF history.tasks FOR VALUES FROM ('{old}') TO ('{after}')"
    )
    task = "INSERT INTO history.tasks (kind, started_at) VALUES ('test', $1)"
    for at in (old, NOW, NOW - timedelta(days=700), NOW - timedelta(days=100)):
        await database.execute(task, at)
    assert (await maintain(database))["history.tasks"] == "0 months made, 1 dropped, 1 stray tasks forgotten"
    assert await database.fetchval("SELECT count(*) FROM history.tasks") == 2


async def test_a_month_takes_over_what_came_before_it(database: Database) -> None:
    far = (NOW + timedelta(days=140)).replace(day=3)
    await database.execute("INSERT INTO history.tasks (kind, started_at) VALUES ('early', $1)", far)
    find = "SELECT tableoid::regclass::text FROM history.tasks WHERE kind = 'early'"
    assert await database.fetchval(find) == "history.tasks_default"
    await database.fetchval("SELECT history.maintain_tasks(ahead => 6)")
    assert await database.fetchval(find) == f"history.tasks_{far:%Y%m}"


async def test_the_cache_forgets_what_expired_and_what_does_not_fit(database: Database) -> None:
    put = (
        "INSERT INTO cache.responses (key, profile, model, value, last_used_at, expires_at) "
        "VALUES (sha256($1::text::bytea), 'owner', 'm', repeat('x', 100), $2, $3)"
    )
    later = NOW + timedelta(days=1)
    await database.execute(put, "gone", NOW, NOW - timedelta(seconds=1))
    for age in range(5):
        await database.execute(put, f"{age}", NOW - timedelta(hours=age), later)
    assert (await maintain(database))["cache.responses"] == "1 responses expired, 0 evicted"
    assert await database.fetchval("SELECT cache.expire(most_bytes => 250)") == "0 responses expired, 3 evicted"
    left = await database.fetch("SELECT key FROM cache.responses ORDER BY last_used_at DESC")
    newest = await database.fetchrow("SELECT sha256('0') AS first, sha256('1') AS second")
    assert newest is not None
    assert [row["key"] for row in left] == [newest["first"], newest["second"]]
