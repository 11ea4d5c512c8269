"""The table of timers, in PostgreSQL and as tests play it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.skills.spec import SCHEMA
from services.skills.timers.keeper import Store
from services.skills.timers.store import TimerStore
from services.skills.timers.timer import Entry
from tests import postgres
from tests.stubs.skills_house import NOON, MemoryStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(params=["memory", "postgresql"])
async def store(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with postgres.database(folder, (SCHEMA,)) as database:
        found = TimerStore(database)
        await found.remove([entry.id for entry in await found.all()])
        yield found


def entry(id_: str, **changes: object) -> Entry:
    plain = Entry(
        id=id_,
        profile="anna",
        kind="timer",
        name="pizza",
        source="kitchen",
        length_s=600,
        by_clock=False,
        set_at=NOON,
        due_at=NOON + 600,
        boot="first",
        due_steady=1234.5,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


async def test_it_keeps_everything(store: Store) -> None:
    kept = [
        entry("a"),
        entry("b", kind="alarm", by_clock=True, name="", length_s=0, source=""),
        entry("c", kind="reminder", name="call Zoë", paused_s=12.25),
    ]
    for one in kept:
        await store.save(one)
    assert sorted(await store.all(), key=lambda one: one.id) == kept


async def test_saving_again_changes_it(store: Store) -> None:
    await store.save(entry("a"))
    await store.save(entry("a", paused_s=30, due_at=NOON + 900, due_steady=2000))
    assert await store.all() == [entry("a", paused_s=30, due_at=NOON + 900, due_steady=2000)]


async def test_it_removes(store: Store) -> None:
    await store.save(entry("a"))
    await store.save(entry("b"))
    await store.remove(["a", "unknown"])
    assert [one.id for one in await store.all()] == ["b"]
    await store.remove([])
    assert len(await store.all()) == 1


async def test_it_notes_what_was_told(store: Store) -> None:
    await store.save(entry("a"))
    await store.save(entry("b"))
    await store.told(["b", "unknown"])
    assert {one.id: one.told for one in await store.all()} == {"a": False, "b": True}


async def test_it_puts_right_when_they_are_due(store: Store) -> None:
    await store.save(entry("a"))
    await store.save(entry("b"))
    await store.put_right([entry("a", due_at=NOON + 4200), entry("unknown")])
    assert {one.id: one.due_at for one in await store.all()} == {"a": NOON + 4200, "b": NOON + 600}
    await store.put_right([])
