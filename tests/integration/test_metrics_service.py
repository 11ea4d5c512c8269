"""The service of the figures with a real database, which comes and goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.messages.conversation import Latency, TurnFinished, TurnSummary
from services.messages.metrics import DescribeMetrics, MetricsState, QueryMetrics
from services.metrics import store as metrics_store
from services.metrics.spec import PART, SCHEMA, MetricsSettings
from services.metrics.store import SeriesKey
from solo.bus import Bus
from solo.settings import MachineSettings
from solo.storage import Database
from solo.storage.connect import connect
from solo.storage.migrations import migrate
from solo.supervision import State
from tests.postgres import database, proxy, server
from tests.stubs.services import supervised


def finished(voice_to_voice: float) -> TurnFinished:
    summary = TurnSummary(
        turn_id="1",
        at="now",
        source="microphone",
        talk="t",
        heard="?",
        said=".",
        outcome="answered",
        latency_ms=Latency(voice_to_voice=voice_to_voice),
    )
    return TurnFinished(source="microphone", summary=summary)


async def recorded(bus: Bus, count: int) -> MetricsState:
    while True:
        state = await bus.request(DescribeMetrics(), within=5)
        if state.written >= count and not state.waiting:
            return state
        await asyncio.sleep(0.01)


async def voices(db: Database) -> list[float]:
    key = SeriesKey.of("turn.voice_to_voice_ms", {"source": "voice"})
    rows = await db.fetch("SELECT value FROM metrics.points WHERE series = $1 ORDER BY at", key.id)
    return [row["value"] for row in rows]


async def test_the_service_records_turns_and_answers(bus: Bus, tmp_path: Path) -> None:
    async with database(tmp_path / "pg", [SCHEMA]) as db:
        specs = PART.specs(MetricsSettings(keep_days=9, every_s=3600), MachineSettings(state_dir=tmp_path), db)
        async with supervised(bus, *specs) as house:
            await house.reaches("metrics", State.READY)
            for value in (500.0, 600.0, 700.0):
                bus.publish(finished(value))
            state = await recorded(bus, 6)
            (series,) = await bus.request(QueryMetrics(name="turn.voice_to_voice_ms"), within=5)
            assert (series.labels, state.dropped) == ({"source": "voice"}, 0)
            assert sum(bucket.count for bucket in series.buckets) == 3
            assert series.buckets[-1].high == 700.0
            bus.publish(finished(800.0))  # written while it ends
        assert await voices(db) == [500.0, 600.0, 700.0, 800.0]
        assert await db.fetchval("SELECT keep_days FROM metrics.retention") == 9


async def test_figures_survive_a_database_that_was_away(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_store, "_WRITE_WITHIN_S", 0.2)
    async with server(tmp_path / "pg") as address, proxy(address) as between:
        connection = await connect(address)
        await migrate(connection, [SCHEMA])
        db = Database()
        await db.open(between.address(address))
        between.mood = "drop"
        specs = PART.specs(MetricsSettings(every_s=3600), MachineSettings(state_dir=tmp_path), db)
        async with supervised(bus, *specs) as house:
            await house.reaches("metrics", State.READY)
            for value in range(50):
                bus.publish(finished(value))
            degraded = await house.reaches("metrics", State.DEGRADED)
            assert "db.unavailable" in degraded.note
            state = await bus.request(DescribeMetrics(), within=5)
            assert (state.waiting, state.written) == (100, 0)
            between.mood = "pass"
            await house.reaches("metrics", State.READY)
            await recorded(bus, 100)
            assert (await bus.request(DescribeMetrics(), within=5)).dropped == 0
        assert await voices(db) == list(range(50))
        await connection.close()
        await db.close()
