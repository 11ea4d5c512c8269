"""Figures over time: ten million values over thirty days through the service's own path, their roll-up, their end."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.metrics.recorder import BATCH, Recorder
from services.metrics.spec import SCHEMA
from services.metrics.store import MetricsStore, Point
from solo import logs
from solo.storage import Database
from tests.postgres import database

VALUES = 10_000_000
DAYS = 30
SERIES = 40
COMPARED = 500_000
"""Values of each of the two runs that are compared."""
_COLUMNS = ("at", "series", "value")
_DAY = timedelta(hours=24)


def _day(begin: datetime, count: int, rng: random.Random) -> Iterator[tuple[float, str, float]]:
    """Wall time, label and value of each."""
    first, step = begin.timestamp(), _DAY.total_seconds() / count
    for number in range(count):
        yield first + number * step, str(number % SERIES), rng.gauss(600, 80)


async def _through_recorder(store: MetricsStore, values: list[tuple[float, str, float]]) -> float:
    """Seconds from the first value handed over to the last one written."""
    recorder = Recorder(store, most=len(values))
    began = time.perf_counter()
    for wall, label, value in values:
        recorder.record("bench.ms", value, {"n": label}, wall=wall)
    stopping = asyncio.Event()
    stopping.set()
    await recorder.run(stopping, drain_s=600)
    assert recorder.state().written == len(values)
    return time.perf_counter() - began


async def _bare(db: Database, values: list[tuple[float, str, float]]) -> float:
    """The same rows by asyncpg alone, into a plain table with the same index, in batches of the same size."""
    await db.execute(
        "CREATE TABLE bare (at timestamptz NOT NULL, series bigint NOT NULL, value double precision NOT NULL)"
    )
    await db.execute("CREATE INDEX ON bare USING brin (at) WITH (pages_per_range = 16)")
    rows: list[Point] = [(datetime.fromtimestamp(wall, UTC), int(label), value) for wall, label, value in values]
    async with db.connection(within=600) as connection:
        began = time.perf_counter()
        for place in range(0, len(rows), BATCH):
            await connection.copy_records_to_table("bare", columns=_COLUMNS, records=rows[place : place + BATCH])
        took = time.perf_counter() - began
    await db.execute("DROP TABLE bare")
    return took


async def _timed(db: Database, sql: str) -> float:
    began = time.perf_counter()
    await db.fetchval(sql, within=600)
    return time.perf_counter() - began


async def _measure() -> dict[str, Any]:
    rng = random.Random(1)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with tempfile.TemporaryDirectory() as folder:
        async with database(Path(folder), [SCHEMA]) as db:
            store = MetricsStore(db)
            await store.keep(DAYS, 400)
            await store.add([(today - number * _DAY, 0, 0.0) for number in range(1, DAYS + 1)])
            await db.fetchval("SELECT metrics.make_partitions()")  # the days of those strays
            await db.execute("TRUNCATE metrics.points, metrics.changed_hours")

            compared = list(_day(today - _DAY, COMPARED, rng))
            bare = await _bare(db, compared)
            ours = await _through_recorder(store, compared)
            await db.execute("TRUNCATE metrics.points, metrics.changed_hours")

            writing = 0.0
            for number in range(DAYS, 0, -1):
                values = list(_day(today - number * _DAY, VALUES // DAYS, rng))
                writing += await _through_recorder(store, values)
            written = await db.fetchval("SELECT count(*) FROM metrics.points", within=600)
            size = await db.fetchval(
                "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
                " WHERE inhparent = 'metrics.points'::regclass"
            )
            all_days = await _timed(db, "SELECT metrics.roll_up()")
            nothing = await _timed(db, "SELECT metrics.roll_up()")
            await store.add([(today - _DAY + number * timedelta(hours=1), 0, 1.0) for number in range(24)])
            one_day = await _timed(db, "SELECT metrics.roll_up()")
            await db.execute("UPDATE metrics.retention SET keep_days = $1", DAYS - 1)
            retention = await _timed(db, "SELECT metrics.drop_old()")
            await db.execute("UPDATE metrics.retention SET keep_days = 1, keep_rollups_days = 1")
            everything = await _timed(db, "SELECT metrics.drop_old()")
            asked = []
            await store.keep(14, 400)
            await _through_recorder(store, list(_day(today, 20_000, rng)))
            for _ in range(20):
                began = time.perf_counter()
                await store.history("bench.ms", 24, within=60)
                asked.append(time.perf_counter() - began)
    return {
        "values, of 40 series over 30 days": written,
        "written, values per second": round(written / writing),
        f"  {COMPARED} values: recorder and COPY, values per second": round(COMPARED / ours),
        "  the same rows by bare asyncpg, plain table, values per second": round(COMPARED / bare),
        "  ratio": round(bare / ours, 2),
        "bytes a value on disk": round(float(size) / written, 1),
        "one day rolled up by hours and as a day, s": round(one_day, 3),
        "all days rolled up, s": round(all_days, 2),
        "nothing to roll up, s": round(nothing, 4),
        "retention: one day dropped, s": round(retention, 4),
        "retention: 28 days and their roll-ups gone, s": round(everything, 3),
        "question for 24 h of 40 series, median ms": round(sorted(asked)[10] * 1000, 1),
    }


def measure() -> dict[str, Any]:
    import uvloop

    logs.configure("warning", "console")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure())
