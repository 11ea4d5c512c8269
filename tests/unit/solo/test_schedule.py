"""Maintenance and scheduled backups, in virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from solo.bus import Bus
from solo.settings import DatabaseSettings, MachineSettings
from solo.storage import Address, Database, DatabaseError, DatabaseUnavailable
from solo.storage.backup import Backup, Manifest, backups, prune
from solo.storage.backup.manifest import Reason, manifest_of, name_at
from solo.storage.schedule import MaintenanceService
from solo.supervision import Context, State
from solo.virtual_time import START

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def now() -> datetime:
    return BEGIN + timedelta(seconds=time.monotonic() - START)


class FakeDatabase:
    address = Address("/nowhere", 5432, "solo", "solo")

    def __init__(self) -> None:
        self.away = False
        self.cron: bool | Exception | None = None
        """None: not installed."""
        self.failure: str | None = None
        self.maintained: list[float] = []

    async def fetchval(self, sql: str, *_: Any) -> Any:
        self._check()
        if "cron.job" in sql:
            if isinstance(self.cron, Exception):
                raise self.cron
            return self.cron
        if "pg_extension" in sql:
            return self.cron is not None
        return 1

    async def fetch(self, sql: str, *_: Any, within: float) -> list[dict[str, Any]]:
        self._check()
        assert "solo.maintain()" in sql
        self.maintained.append(time.monotonic() - START)
        return [{"task": "one", "result": "done", "failure": self.failure, "ms": 1.0}]

    def _check(self) -> None:
        if self.away:
            raise DatabaseUnavailable


class Maker:
    """Writes backups that hold nothing."""

    def __init__(self) -> None:
        self.made: list[float] = []
        self.error: DatabaseError | None = None

    async def __call__(self, address: Address, folder: Path, *, reason: Reason, keep: int | None) -> Backup:
        if self.error is not None:
            raise self.error
        self.made.append(time.monotonic() - START)
        made = write(folder, now(), reason)
        if keep is not None:
            prune(folder, keep)
        return made


def write(folder: Path, at: datetime, reason: Reason) -> Backup:
    folder.mkdir(exist_ok=True)
    path = name_at(folder, at)
    path.write_bytes(b"PGDMP")
    known = Manifest(1, "0", "18", 18, reason, at.isoformat(), path.name, 5, "", {}, {})
    manifest_of(path).write_text(known.to_json(), encoding="utf-8")
    return Backup(path, known)


class Scene:
    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "backups"
        self.database = FakeDatabase()
        self.maker = Maker()
        self.states: list[tuple[State, str]] = []
        self.settings = DatabaseSettings(backup_dir=self.folder, **settings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        machine = MachineSettings.model_construct(database=self.settings, state_dir=self.folder.parent)
        service = MaintenanceService(machine, cast("Database", self.database), now=now, make=self.maker)
        ctx = Context(Bus(), "maintenance", on_state=lambda state, note: self.states.append((state, note)))
        task = asyncio.create_task(service.run(ctx))
        try:
            yield
        finally:
            ctx.stopping.set()
            await task  # it ends, and has not crashed


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_maintains_again_and_again(scene: Scene) -> None:
    async with scene.running():
        await asyncio.sleep(HOUR)
    assert scene.database.maintained == [60, 960, 1860, 2760]


async def test_leaves_it_to_pg_cron(scene: Scene) -> None:
    scene.database.cron = True
    async with scene.running():
        await asyncio.sleep(HOUR)
        assert scene.database.maintained == []
        scene.database.cron = False  # installed, but its job was taken out
        await asyncio.sleep(HOUR)
        assert len(scene.database.maintained) == 4


async def test_does_it_when_it_may_not_see_the_jobs(scene: Scene) -> None:
    scene.database.cron = asyncpg.InsufficientPrivilegeError("permission denied for schema cron")
    async with scene.running():
        await asyncio.sleep(HOUR)
    assert len(scene.database.maintained) == 4


async def test_says_what_failed(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.database.failure = "no such table"
    async with scene.running():
        await asyncio.sleep(100)
    assert "no such table" in capsys.readouterr().out


async def test_outlives_a_database_that_is_away(scene: Scene) -> None:
    scene.database.away = True
    async with scene.running():
        await asyncio.sleep(HOUR)
        assert scene.maker.made == []
        scene.database.away = False
        await asyncio.sleep(60)
        assert len(scene.database.maintained) == 1
        assert len(scene.maker.made) == 1
    assert {state for state, _ in scene.states} == {State.READY}


async def test_backs_up_at_first_and_then_by_the_clock(scene: Scene) -> None:
    async with scene.running():
        await asyncio.sleep(72.5 * HOUR)
    assert scene.maker.made == pytest.approx([60, 60 + 24 * HOUR, 60 + 48 * HOUR, 60 + 72 * HOUR], abs=1)


async def test_a_restart_changes_nothing(scene: Scene) -> None:
    write(scene.folder, BEGIN - timedelta(hours=20), "scheduled")
    write(scene.folder, BEGIN - timedelta(hours=1), "asked")  # does not count
    for _ in range(5):
        async with scene.running():
            await asyncio.sleep(HOUR)
    assert scene.maker.made == pytest.approx([4 * HOUR + 60], abs=61)


async def test_keeps_so_many(tmp_path: Path) -> None:
    scene = Scene(tmp_path, backup_every_h=1, backup_keep=3)
    write(tmp_path / "backups", BEGIN - timedelta(days=9), "asked")
    async with scene.running():
        await asyncio.sleep(10.5 * HOUR)
    assert len(scene.maker.made) == 11
    left = backups(scene.folder)
    assert [made.manifest.reason for made in left] == ["scheduled"] * 3 + ["asked"]
    assert left[0].manifest.created == BEGIN + timedelta(seconds=scene.maker.made[-1])


async def test_never_when_told_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path, backup_every_h=0)
    async with scene.running():
        await asyncio.sleep(100 * HOUR)
    assert scene.maker.made == []
    assert scene.database.maintained


async def test_a_backup_that_fails_is_seen_and_tried_again(scene: Scene) -> None:
    scene.maker.error = DatabaseError("the disk is full")
    async with scene.running():
        await asyncio.sleep(HOUR)
        state, note = scene.states[-1]
        assert state is State.DEGRADED
        assert "the disk is full" in note
        assert len(scene.states) == 5  # ready, then one try in a quarter of an hour
        scene.maker.error = None
        await asyncio.sleep(HOUR)
        assert scene.states[-1] == (State.READY, "")
        assert len(scene.maker.made) == 1
    assert len(scene.database.maintained) == 8  # maintenance went on meanwhile


async def test_one_from_the_future_does_not_count(scene: Scene) -> None:
    """The clock was wrong, and was set right."""
    write(scene.folder, BEGIN + timedelta(days=400), "scheduled")
    async with scene.running():
        await asyncio.sleep(HOUR)
    assert scene.maker.made == [60]
