"""The tables of the figures: what is written into them and asked of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.messages.metrics import Bucket, Series
from solo.storage import Database

MOST_HOURLY = 14 * 24
"""Hours up to which figures are told by the hour; beyond that by the day."""
_WRITE_WITHIN_S = 10.0
_COLUMNS = ("at", "series", "value")

Point = tuple[datetime, int, float]
"""When (UTC), the series' id, the value."""


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What is measured."""

    name: str
    """Dotted, with the unit last."""
    labels: tuple[tuple[str, str], ...] = ()
    """Sorted by name."""

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str]) -> SeriesKey:
        return cls(name, tuple(sorted(labels.items())))

    @property
    def id(self) -> int:
        """The same in every database: a point written after a restore still finds its series."""
        text = json.dumps([self.name, self.labels], ensure_ascii=False, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


# Hours that changed since the last roll-up come from the points, all others as they were rolled up. Should the
# maintenance not have run for long, what is older than 6 h is told as it was: the answer stays quick.
_BY_HOUR = """
WITH wanted AS (SELECT id, name, labels FROM metrics.series WHERE starts_with(name, $1)),
fresh AS (
    SELECT DISTINCT hour FROM metrics.changed_hours
    WHERE hour >= greatest($2::timestamptz, now() - interval '6 hours')
),
buckets AS (
    SELECT series, hour AS at, count, sum, low, high, p50, p95 FROM metrics.hourly
    WHERE hour >= $2 AND hour NOT IN (SELECT hour FROM fresh) AND series IN (SELECT id FROM wanted)
    UNION ALL
    SELECT series, hour, count(*), sum(value), min(value), max(value),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY value), percentile_cont(0.95) WITHIN GROUP (ORDER BY value)
    FROM (
        SELECT series, metrics.hour_of(at) AS hour, value FROM metrics.points
        WHERE at >= (SELECT min(hour) FROM fresh) AND at < (SELECT max(hour) + interval '1 hour' FROM fresh)
            AND series IN (SELECT id FROM wanted)
    ) AS present
    WHERE hour IN (SELECT hour FROM fresh)
    GROUP BY 1, 2
)
SELECT name, labels, at, count, sum, low, high, p50, p95 FROM buckets JOIN wanted ON wanted.id = series
ORDER BY name, labels, at
"""
_BY_DAY = """
WITH wanted AS (SELECT id, name, labels FROM metrics.series WHERE starts_with(name, $1)),
fresh AS (
    SELECT day FROM metrics.changed_days WHERE day >= (now() AT TIME ZONE 'UTC')::date - 1
    UNION
    SELECT (hour AT TIME ZONE 'UTC')::date FROM metrics.changed_hours WHERE hour >= now() - interval '6 hours'
),
buckets AS (
    SELECT series, day::timestamp AT TIME ZONE 'UTC' AS at, count, sum, low, high, p50, p95 FROM metrics.daily
    WHERE day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND day NOT IN (SELECT day FROM fresh)
        AND series IN (SELECT id FROM wanted)
    UNION ALL
    SELECT series, day, count(*), sum(value), min(value), max(value),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY value), percentile_cont(0.95) WITHIN GROUP (ORDER BY value)
    FROM (
        SELECT series, metrics.day_of(at) AS day, value FROM metrics.points
        WHERE at >= (SELECT min(day)::timestamp AT TIME ZONE 'UTC' FROM fresh)
            AND at < (SELECT (max(day) + 1)::timestamp AT TIME ZONE 'UTC' FROM fresh)
            AND series IN (SELECT id FROM wanted)
    ) AS present
    WHERE (day AT TIME ZONE 'UTC')::date IN (SELECT day FROM fresh)
    GROUP BY 1, 2
)
SELECT name, labels, at, count, sum, low, high, p50, p95 FROM buckets JOIN wanted ON wanted.id = series
ORDER BY name, labels, at
"""


@dataclass(frozen=True, slots=True)
class MetricsStore:
    """Raises the errors of `Database`."""

    database: Database

    async def keep(self, days: int, rollups_days: int) -> None:
        """How long `metrics.drop_old()` leaves points and roll-ups."""
        await self.database.execute(
            "UPDATE metrics.retention SET keep_days = $1, keep_rollups_days = $2"
            " WHERE (keep_days, keep_rollups_days) IS DISTINCT FROM ($1, $2)",
            days,
            rollups_days,
        )

    async def name(self, series: Iterable[SeriesKey]) -> None:
        """Write down what these ids stand for; those that are there stay."""
        keys = list(series)
        await self.database.execute(
            "INSERT INTO metrics.series (id, name, labels)"
            " SELECT * FROM unnest($1::bigint[], $2::text[], $3::jsonb[]) ON CONFLICT DO NOTHING",
            [key.id for key in keys],
            [key.name for key in keys],
            [json.dumps(dict(key.labels), ensure_ascii=False) for key in keys],
            within=_WRITE_WITHIN_S,
        )

    async def add(self, points: Sequence[Point]) -> None:
        """All of them or none."""
        await self.database.copy("metrics", "points", _COLUMNS, points, within=_WRITE_WITHIN_S)

    async def has(self, point: Point) -> bool:
        """Is this very point there? Times are of microseconds, so it is hardly another one."""
        return bool(
            await self.database.fetchval(
                "SELECT EXISTS (SELECT FROM metrics.points WHERE at = $1 AND series = $2 AND value = $3)", *point
            )
        )

    async def history(self, prefix: str, hours: float, *, within: float) -> tuple[Series, ...]:
        """Figures whose names begin so, by the hour up to `MOST_HOURLY`, by the day beyond."""
        sql = _BY_HOUR if hours <= MOST_HOURLY else _BY_DAY
        since = datetime.fromtimestamp(_now() - hours * 3600, UTC).replace(minute=0, second=0, microsecond=0)
        rows = await self.database.fetch(sql, prefix, since, within=within)
        found: dict[tuple[str, str], list[Bucket]] = {}
        for row in rows:
            found.setdefault((row["name"], row["labels"]), []).append(_bucket(row))
        return tuple(
            Series(name=name, labels=json.loads(labels), buckets=tuple(buckets))
            for (name, labels), buckets in found.items()
        )


def _bucket(row: Any) -> Bucket:
    return Bucket(
        at=row["at"].astimezone(UTC).isoformat(),
        count=row["count"],
        mean=row["sum"] / row["count"],
        low=row["low"],
        high=row["high"],
        p50=row["p50"],
        p95=row["p95"],
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()
