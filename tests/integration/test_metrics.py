"""The tables of the figures on a real PostgreSQL: partitions, roll-ups, retention, and what is asked of them."""

from __future__ import annotations

import random
import statistics
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.messages.metrics import Series
from services.metrics.spec import SCHEMA
from services.metrics.store import MetricsStore, Point, SeriesKey
from solo.storage import Database
from tests.postgres import database

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with database(tmp_path / "pg", [SCHEMA]) as opened:
        yield opened


def now() -> datetime:
    return datetime.now(UTC)


def today() -> datetime:
    return now().replace(hour=0, minute=0, second=0, microsecond=0)


def partition(day: datetime) -> str:
    return f"points_{day:%Y%m%d}"


async def partitions(db: Database) -> list[str]:
    rows = await db.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " WHERE inhparent = 'metrics.points'::regclass ORDER BY 1"
    )
    return [row["relname"] for row in rows]


async def add(db: Database, *points: Point) -> None:
    await MetricsStore(db).add(points)


async def rolled(db: Database, table: str) -> dict[tuple[Any, ...], tuple[float, ...]]:
    rows = await db.fetch(f"SELECT * FROM metrics.{table}")
    return {tuple(row.values())[:2]: tuple(row.values())[2:] for row in rows}


def expected(points: list[Point], begin: Callable[[datetime], Any]) -> dict[tuple[Any, ...], tuple[float, ...]]:
    groups: dict[tuple[Any, ...], list[float]] = {}
    for at, series, value in points:
        groups.setdefault((series, begin(at)), []).append(value)
    found: dict[tuple[Any, ...], tuple[float, ...]] = {}
    for key, values in groups.items():
        p95 = statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
        found[key] = (len(values), sum(values), min(values), max(values), statistics.median(values), p95)
    return found


def same(found: dict[Any, tuple[float, ...]], wanted: dict[Any, tuple[float, ...]]) -> bool:
    return found.keys() == wanted.keys() and all(found[key] == pytest.approx(wanted[key]) for key in wanted)


def some_points(begin: datetime, days: float, count: int, seed: int = 1) -> list[Point]:
    rng = random.Random(seed)
    return [(begin + rng.random() * days * DAY, rng.randrange(4), rng.gauss(600, 80)) for _ in range(count)]


async def test_partitions_are_made_ahead_once_whatever_the_session_calls_midnight(db: Database) -> None:
    wanted = [partition(today() + number * DAY) for number in range(-1, 8)] + ["points_stray"]
    assert await partitions(db) == wanted
    for zone in ("Pacific/Auckland", "America/St_Johns"):
        async with db.connection() as connection:
            await connection.execute(f"SET TimeZone = '{zone}'")
            assert await connection.fetchval("SELECT metrics.make_partitions()") == (
                "0 partitions made, 0 strays moved, 0 left"
            )
            await connection.execute("SET TimeZone = 'UTC'")
    assert (await db.fetchval("SELECT metrics.make_partitions(9)")).startswith("2 partitions made")
    assert partition(today() + 9 * DAY) in await partitions(db)


async def test_strays_are_moved_where_they_belong_or_reported(db: Database) -> None:
    lost, late, early = datetime(1970, 1, 2, tzinfo=UTC), today() - 5 * DAY + HOUR, today() + 60 * DAY
    await add(db, (lost, 1, 1.0), (late, 1, 2.0), (late + HOUR, 1, 3.0), (early, 1, 4.0), (now(), 1, 5.0))
    assert await db.fetchval("SELECT count(*) FROM metrics.points_stray") == 4
    assert await db.fetchval("SELECT metrics.make_partitions()") == "1 partitions made, 2 strays moved, 2 left"
    assert await db.fetchval(f"SELECT sum(value) FROM metrics.{partition(late)}") == 5.0
    assert "1 strays" in await db.fetchval("SELECT metrics.drop_old()")
    assert await db.fetchval("SELECT array_agg(value) FROM metrics.points_stray") == [4.0]
    # A partition made later has the comments and the index of the others.
    await add(db, (late + 2 * HOUR, 1, 6.0))
    assert await db.fetchval(f"SELECT count(*) FROM metrics.{partition(late)}") == 3
    assert await db.fetchval("SELECT count(*) FROM pg_indexes WHERE tablename = $1", partition(late)) == 1


async def test_roll_ups_are_what_the_points_say(db: Database) -> None:
    points = some_points(today() - 3 * DAY, (now() - today() + 3 * DAY) / DAY, 5000)
    await add(db, *points)
    async with db.connection() as connection:
        await connection.execute("SET TimeZone = 'Asia/Kolkata'")  # whose hours begin at half past
        await connection.fetchval("SELECT metrics.roll_up()")
        await connection.execute("SET TimeZone = 'UTC'")
    assert same(await rolled(db, "hourly"), expected(points, lambda at: at.replace(minute=0, second=0, microsecond=0)))
    over = [point for point in points if point[0] < today()]
    assert same(await rolled(db, "daily"), expected(over, lambda at: at.date()))


async def test_a_roll_up_does_only_what_changed_and_nothing_twice(db: Database) -> None:
    points = some_points(today() - 2 * DAY, 2, 2000)
    await add(db, *points)
    assert await db.fetchval("SELECT metrics.roll_up()") == "48 hours and 2 days rolled up"
    before = await db.fetch("SELECT xmin, * FROM metrics.hourly ORDER BY series, hour")
    assert await db.fetchval("SELECT metrics.roll_up()") == "0 hours and 0 days rolled up"
    late = today() - DAY + 90 * timedelta(minutes=1)
    await add(db, (late, 1, 1e6))
    assert await db.fetchval("SELECT metrics.roll_up()") == "1 hours and 1 days rolled up"
    after = await db.fetch("SELECT xmin, * FROM metrics.hourly ORDER BY series, hour")
    changed = [new for old, new in zip(before, after, strict=True) if tuple(old) != tuple(new)]
    assert [(row["series"], row["hour"], row["high"]) for row in changed] == [
        (1, late.replace(minute=0, second=0, microsecond=0), 1e6)
    ]
    # Forced to look again at everything, it finds the same.
    await db.execute("INSERT INTO metrics.changed_hours SELECT DISTINCT hour FROM metrics.hourly")
    await db.execute("INSERT INTO metrics.changed_days SELECT DISTINCT day FROM metrics.daily")
    assert await db.fetchval("SELECT metrics.roll_up()") == "48 hours and 2 days rolled up"
    assert await db.fetch("SELECT xmin, * FROM metrics.hourly ORDER BY series, hour") == after
    assert same(await rolled(db, "daily"), expected([*points, (late, 1, 1e6)], lambda at: at.date()))


async def test_points_written_during_a_roll_up_are_found_by_the_next(db: Database) -> None:
    at = now()
    await add(db, (at, 1, 1.0))
    async with db.transaction() as connection:
        await connection.fetchval("SELECT metrics.roll_up()")
        await add(db, (at, 1, 2.0))  # neither waits for the other
    await db.fetchval("SELECT metrics.roll_up()")
    assert await db.fetchval("SELECT sum FROM metrics.hourly") == 3.0


async def test_retention_drops_whole_days_and_old_roll_ups_but_nothing_that_is_not_rolled_up(db: Database) -> None:
    await MetricsStore(db).keep(3, 6)
    await db.execute("UPDATE metrics.retention SET keep_days = 14")  # for the partitions of the past to be made
    points = some_points(today() - 10 * DAY, 10, 4000)
    await add(db, *points)
    await db.fetchval("SELECT metrics.make_partitions()")
    await db.execute("UPDATE metrics.retention SET keep_days = 3")
    assert (await db.fetchval("SELECT metrics.drop_old()")).startswith("0 partitions dropped, 7 not rolled up yet;")
    await db.fetchval("SELECT metrics.roll_up()")
    said = await db.fetchval("SELECT metrics.drop_old()")
    assert said.startswith("7 partitions dropped, 0 not rolled up yet; 0 strays,")
    assert said.endswith(" 16 daily figures deleted")  # four series, four days
    assert (await partitions(db))[0] == partition(today() - 3 * DAY)
    kept = [point for point in points if point[0] >= today() - 3 * DAY]
    assert await db.fetchval("SELECT count(*) FROM metrics.points") == len(kept)
    recent = [point for point in points if point[0] >= today() - 6 * DAY]
    wanted = expected(recent, lambda at: at.date())
    assert same(await rolled(db, "daily"), wanted)
    # One that comes after its day has been dropped does not stand for the whole of it.
    await add(db, (today() - 5 * DAY, 1, 1e6))
    await db.fetchval("SELECT metrics.roll_up()")
    assert same(await rolled(db, "daily"), wanted)


async def test_maintenance_goes_on_behind_a_task_that_fails(db: Database) -> None:
    await db.execute("INSERT INTO solo.maintenance (task, statement) VALUES ('metrics.0_broken', 'SELECT 1 / 0')")
    await add(db, (now(), 1, 1.0))
    done = {row["task"]: row for row in await db.fetch("SELECT * FROM solo.maintain()")}
    assert list(done) == sorted(done)
    assert done["metrics.0_broken"]["failure"] == "division by zero"
    assert done["metrics.2_roll_up"]["result"] == "1 hours and 0 days rolled up"
    assert [task for task, row in done.items() if row["failure"] is not None] == ["metrics.0_broken"]
    assert await db.fetchval("SELECT last_error FROM solo.maintenance WHERE task = 'metrics.0_broken'")


async def test_everything_has_a_comment(db: Database) -> None:
    bare = await db.fetch(
        "SELECT c.relname, a.attname FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0"
        " AND NOT attisdropped WHERE relnamespace = 'metrics'::regnamespace AND relkind IN ('r', 'p')"
        " AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"
        " UNION ALL SELECT proname, '()' FROM pg_proc"
        " WHERE pronamespace = 'metrics'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL"
    )
    assert bare == []


async def test_what_is_no_number_is_refused(db: Database) -> None:
    import asyncpg

    for value in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(asyncpg.CheckViolationError):
            await add(db, (now(), 1, value))


async def told(db: Database, prefix: str, hours: float) -> tuple[Series, ...]:
    return await MetricsStore(db).history(prefix, hours, within=5)


async def test_the_history_is_exact_before_and_after_a_roll_up(db: Database) -> None:
    keys = [SeriesKey.of("a.ms", {"n": str(number)}) for number in range(4)]
    await MetricsStore(db).name([*keys, SeriesKey("b.ms")])
    await add(db, *((at, keys[number].id, value) for at, number, value in some_points(now() - 4 * HOUR, 1 / 6, 900)))
    await add(db, (now(), SeriesKey("b.ms").id, 1.0))
    before = await told(db, "a.", 24)
    assert [series.labels for series in before] == [{"n": str(number)} for number in range(4)]
    assert sum(bucket.count for series in before for bucket in series.buckets) == 900
    await db.fetchval("SELECT metrics.roll_up()")
    await add(db, (now(), keys[0].id, 600.0))
    after = await told(db, "a.", 24)
    for old, new in zip(before, after, strict=True):
        for one, other in zip(old.buckets, new.buckets, strict=True):
            if (new.labels, other) != ({"n": "0"}, new.buckets[-1]):
                assert one.model_dump(exclude={"at"}) == pytest.approx(other.model_dump(exclude={"at"}))
                assert one.at == other.at
    assert sum(bucket.count for series in after for bucket in series.buckets) == 901
    assert [series.name for series in await told(db, "", 1)] == ["a.ms"] * 4 + ["b.ms"]
    assert await told(db, "a%", 1) == ()


async def test_a_long_history_is_told_by_the_day_with_today(db: Database) -> None:
    key = SeriesKey("a.ms")
    await MetricsStore(db).name([key])
    begin = today() - 4 * DAY
    points = [(at, key.id, value) for at, _, value in some_points(begin, (now() - begin) / DAY, 3000)]
    await add(db, *points)
    await db.fetchval("SELECT metrics.roll_up()")
    await add(db, (now(), key.id, 1e6))
    (series,) = await told(db, "a.", 24 * 30)
    wanted = expected([*points, (now(), key.id, 1e6)], lambda at: at.date().isoformat())
    assert {(key.id, bucket.at[:10]): bucket.count for bucket in series.buckets} == {
        place: figures[0] for place, figures in wanted.items()
    }
    assert series.buckets[-1].high == 1e6
    assert series.buckets[0].p95 == pytest.approx(wanted[(key.id, series.buckets[0].at[:10])][5])
