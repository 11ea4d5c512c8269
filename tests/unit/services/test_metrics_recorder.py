"""The recorder: bounded, counted, never in the way, and exact about what became of each value."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from services.metrics.recorder import BATCH, EVERY_S, Recorder
from services.metrics.store import Point, SeriesKey
from solo.storage.errors import DatabaseTimeout, DatabaseUnavailable

pytestmark = pytest.mark.virtual_time
WALL = 1_800_000_000.0


class Tables:
    """What a database would hold. `away` refuses calls, `deaf` does them and does not say so."""

    def __init__(self) -> None:
        self.names: dict[int, SeriesKey] = {}
        self.points: list[Point] = []
        self.batches: list[int] = []
        self.calls = 0
        self.namings = 0
        self.away = False
        self.deaf = False
        self.gate: asyncio.Event | None = None
        self.changed = asyncio.Event()

    async def name(self, series: Iterable[SeriesKey]) -> None:
        self._called()
        self.namings += 1
        self.names.update({key.id: key for key in series})

    async def add(self, points: list[Point]) -> None:
        self._called()
        if self.gate is not None:
            await self.gate.wait()
        self.points += points
        self.batches.append(len(points))
        if self.deaf:
            raise DatabaseTimeout("no answer")

    async def has(self, point: Point) -> bool:
        self._called()
        return point in self.points

    def values(self) -> list[float]:
        return [value for _, _, value in self.points]

    async def reach(self, calls: int) -> None:
        while self.calls < calls:
            self.changed.clear()
            await self.changed.wait()

    def _called(self) -> None:
        self.calls += 1
        self.changed.set()
        if self.away:
            raise DatabaseUnavailable("away")


@asynccontextmanager
async def running(recorder: Recorder, *, drain_s: float = 3.0) -> AsyncIterator[asyncio.Event]:
    stopping = asyncio.Event()
    task = asyncio.create_task(recorder.run(stopping, drain_s=drain_s))
    try:
        yield stopping
    finally:
        stopping.set()
        await task


def fill(recorder: Recorder, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        recorder.record("a.ms", number, wall=WALL + number)


async def test_values_are_written_together_with_the_names_of_their_series() -> None:
    tables = Tables()
    recorder = Recorder(tables)
    recorder.record("a.ms", 1, {"y": "2", "x": "1"}, wall=WALL)
    recorder.record("a.ms", 2, {"x": "1", "y": "2"}, wall=WALL)
    recorder.record("a.ms", 3, wall=WALL)
    async with running(recorder):
        pass
    assert tables.batches == [3]
    assert [tables.names[series] for _, series, _ in tables.points] == [
        SeriesKey("a.ms", (("x", "1"), ("y", "2"))),
        SeriesKey("a.ms", (("x", "1"), ("y", "2"))),
        SeriesKey("a.ms"),
    ]
    assert {at.timestamp() for at, _, _ in tables.points} == {WALL}
    assert recorder.state().model_dump() == {"waiting": 0, "written": 3, "dropped": 0, "last_error": None}


async def test_few_values_wait_a_second_for_more() -> None:
    tables = Tables()
    recorder = Recorder(tables)
    loop = asyncio.get_running_loop()
    async with running(recorder):
        began = loop.time()
        fill(recorder, 1)
        await tables.reach(2)
        assert loop.time() - began == pytest.approx(EVERY_S)
        fill(recorder, 1, first=1)
        await tables.reach(3)
        assert loop.time() - began == pytest.approx(2 * EVERY_S)
    assert tables.batches == [1, 1]
    assert tables.namings == 1


async def test_many_values_do_not_wait_and_go_in_bounded_batches() -> None:
    tables = Tables()
    recorder = Recorder(tables)
    loop = asyncio.get_running_loop()
    async with running(recorder):
        began = loop.time()
        fill(recorder, 2 * BATCH)
        await tables.reach(3)
        assert loop.time() == began
        fill(recorder, 10, first=2 * BATCH)
    assert tables.batches == [BATCH, BATCH, 10]
    assert tables.values() == list(range(2 * BATCH + 10))


async def test_the_oldest_values_go_when_it_is_full_and_are_counted() -> None:
    tables = Tables()
    recorder = Recorder(tables, most=100)
    fill(recorder, 130)
    assert (recorder.state().waiting, recorder.state().dropped) == (100, 30)
    async with running(recorder):
        pass
    assert tables.values() == list(range(30, 130))
    assert (recorder.state().written, recorder.state().dropped) == (100, 30)


async def test_values_wait_for_a_database_that_is_away_which_is_asked_less_and_less() -> None:
    tables = Tables()
    tables.away = True
    recorder = Recorder(tables)
    said: list[str | None] = []
    recorder.on_change = said.append
    loop = asyncio.get_running_loop()
    async with running(recorder):
        fill(recorder, 5)
        began = loop.time()
        await tables.reach(30)
        assert 29 * 10 * 0.5 < loop.time() - began < 30 * 12 + 10
        assert recorder.state().waiting == 5
        assert "db.unavailable" in (recorder.state().last_error or "")
        tables.away = False
        await tables.reach(32)
    assert tables.values() == [0, 1, 2, 3, 4]
    assert [failure is None for failure in said] == [False, True]
    assert recorder.state().last_error is None


async def test_a_write_that_was_done_without_a_word_is_not_repeated() -> None:
    tables = Tables()
    recorder = Recorder(tables)
    async with running(recorder):
        tables.deaf = True
        fill(recorder, 5)
        await tables.reach(2)
        tables.deaf = False
        fill(recorder, 5, first=5)
    assert tables.values() == list(range(10))
    assert recorder.state().written == 10


async def test_a_write_that_was_not_done_is_repeated() -> None:
    tables = Tables()
    recorder = Recorder(tables)
    async with running(recorder):
        fill(recorder, 1)
        await tables.reach(2)
        tables.away = True
        fill(recorder, 5, first=1)
        await tables.reach(5)
        tables.away = False
    assert tables.values() == list(range(6))


async def test_values_dropped_while_they_were_being_written_are_counted_once() -> None:
    tables = Tables()
    recorder = Recorder(tables, most=10)
    async with running(recorder):
        tables.gate = asyncio.Event()
        fill(recorder, 10)
        await tables.reach(2)
        fill(recorder, 4, first=10)
        assert recorder.state().dropped == 4
        tables.gate.set()
    assert tables.values() == list(range(14))
    assert (recorder.state().written, recorder.state().dropped) == (14, 0)


async def test_a_crash_of_the_service_in_the_middle_of_a_write_loses_nothing() -> None:
    tables = Tables()
    recorder = Recorder(tables)
    tables.gate = asyncio.Event()
    fill(recorder, 5)
    task = asyncio.create_task(recorder.run(asyncio.Event(), drain_s=1))
    await tables.reach(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    tables.gate.set()
    async with running(recorder):
        fill(recorder, 1, first=5)
    assert tables.values() == list(range(6))


async def test_the_end_waits_for_the_write_under_way_and_writes_the_rest() -> None:
    tables = Tables()
    tables.gate = asyncio.Event()
    recorder = Recorder(tables)
    async with running(recorder) as stopping:
        fill(recorder, 5)
        await tables.reach(2)
        fill(recorder, 5, first=5)
        stopping.set()
        await asyncio.sleep(1)
        tables.gate.set()
    assert tables.batches == [5, 5]
    assert tables.calls == 3  # nobody had to ask whether the first was done


async def test_the_end_does_not_wait_for_the_next_attempt() -> None:
    tables = Tables()
    tables.away = True
    recorder = Recorder(tables)
    loop = asyncio.get_running_loop()
    async with running(recorder):
        fill(recorder, 5)
        await tables.reach(10)
        await asyncio.sleep(0.1)
        tables.away = False
        began = loop.time()
    assert loop.time() - began < EVERY_S
    assert tables.values() == list(range(5))


async def test_a_database_that_stays_away_does_not_hold_up_the_end() -> None:
    tables = Tables()
    tables.gate = asyncio.Event()
    recorder = Recorder(tables)
    loop = asyncio.get_running_loop()
    fill(recorder, 5)
    async with running(recorder, drain_s=3):
        began = loop.time()
    assert loop.time() - began == pytest.approx(3)
    assert recorder.state().waiting == 5


async def test_what_is_no_number_or_one_series_too_many_is_counted_as_dropped() -> None:
    recorder = Recorder(Tables(), most_series=2)
    for value in (math.nan, math.inf, -math.inf):
        recorder.record("a", value)
    assert recorder.state().dropped == 3
    recorder.record("b", 1)
    recorder.record("c", 1)
    recorder.record("b", 1, {"x": "y" * 1000})
    assert (recorder.state().waiting, recorder.state().dropped) == (1, 5)


async def test_series_are_written_down_again_after_a_while() -> None:
    """The database may have been replaced by an older one, in which they are not."""
    tables = Tables()
    recorder = Recorder(tables)
    async with running(recorder):
        fill(recorder, 1)
        await tables.reach(2)
        tables.names.clear()
        await asyncio.sleep(3600)
        fill(recorder, 1, first=1)
        await tables.reach(4)
    assert list(tables.names.values()) == [SeriesKey("a.ms")]


async def test_the_id_of_a_series_is_the_same_everywhere() -> None:
    assert SeriesKey.of("a.ms", {"x": "1"}).id == SeriesKey.of("a.ms", {"x": "1"}).id == -4196055957207996066
    assert len({SeriesKey.of(*key).id for key in (("a", {}), ("b", {}), ("a", {"b": ""}), ("a", {"": "b"}))}) == 4
