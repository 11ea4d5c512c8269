"""Random facts on the bus of a house in which people talk: nothing crashes, nothing is lost without being counted.

In virtual time: real ears, mouths, conversation, skills, recorder and monitor. `make faults` publishes 100 000 facts,
the suite 2 000.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.messages.conversation import TurnFinished
from solo.bus import Bus, Event, Overflow
from solo.supervision import ServiceStateChanged, State, StopRequested
from solo.virtual_time import VirtualTimeLoop
from tests.faults.conftest import WHOLE
from tests.stubs.random_messages import RandomMessages, kinds
from tests.stubs.soak import furnished
from tests.stubs.voice_house import Engines, Satellite, ask, until_gone

FACTS = 100_000 if WHOLE else 2_000
SEED = 1
AT_ONCE = 20
SOURCES = ("kitchen", "hall", "desk")
MEANT = [kind for kind in kinds(Event) if kind not in {ServiceStateChanged, StopRequested}]
"""Not those by which the supervisor itself speaks."""


@dataclass
class Found:
    published: Counter[str] = field(default_factory=Counter)
    crashed: list[str] = field(default_factory=list)
    not_counted: list[str] = field(default_factory=list)
    mailboxes: int = 0
    answered_after: str = ""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_fuzz(tmp_path_factory.mktemp("fuzz")))


async def _fuzz(folder: Path) -> Found:
    bus, found, rng = Bus(), Found(), random.Random(SEED)
    turns = [f"turn-{number}" for number in range(5)]
    messages = RandomMessages(rng, (*SOURCES, *turns, "owner", "default", "pcm"))
    async with furnished(bus, Engines(), folder, SEED):
        watching = asyncio.create_task(_watch(bus, found, turns))
        devices = Devices(bus)
        for source in SOURCES:
            await devices.plug(source)
        async with bus.subscribe(Event, limit=10**6, overflow=Overflow.FAIL, owner="fuzz") as seen:
            before = _mailboxes(bus)
            while found.published.total() < FACTS:
                if rng.random() < 0.05:
                    satellite = await devices.plug(rng.choice(SOURCES))
                    satellite.say(ask(rng.uniform(0.4, 1.5), wake=satellite.wake))
                for _ in range(AT_ONCE):
                    kind = rng.choice(MEANT)
                    bus.publish(messages.one(kind), by="fuzz")
                    found.published[kind.__name__] += 1
                await asyncio.sleep(rng.uniform(0.01, 0.1))
            await asyncio.sleep(400)
            after = _mailboxes(bus)
            offered = Counter[type[Event]]()
            while _mailboxes(bus)["fuzz", "Event"] > offered.total():
                offered[type(await anext(seen))] += 1
        found.mailboxes = len(before.keys() & after.keys())
        named: dict[str, type[Event]] = {kind.__name__: kind for kind in (Event, *kinds(Event))}
        for key in before.keys() & after.keys():
            base = named[key[1]]
            due = sum(times for kind, times in offered.items() if issubclass(kind, base))
            if after[key] - before[key] != due:
                found.not_counted.append(f"{key}: {due} came, {after[key] - before[key]} are accounted for")
        found.answered_after = await _ask(bus, await devices.plug("kitchen"))
        for source in SOURCES:
            await devices.unplug(source)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return found


@dataclass
class Devices:
    """Those of the house; each comes again when it has been told to have ended, as real ones do."""

    bus: Bus
    all: dict[str, tuple[Satellite, asyncio.Task[None]]] = field(default_factory=dict)

    async def plug(self, source: str) -> Satellite:
        await self.unplug(source)
        satellite = Satellite(self.bus, source, wake=source != "desk", barge_in=True)
        self.all[source] = (satellite, asyncio.create_task(satellite.run()))
        await asyncio.sleep(1)
        return satellite

    async def unplug(self, source: str) -> None:
        if source in self.all:
            await until_gone(self.all.pop(source)[1])


def _mailboxes(bus: Bus) -> dict[tuple[str, str], int]:
    """Of so many messages of each one it is known what became of them. Devices come and go, and theirs with them."""
    return {
        (box.owner, box.kind): box.delivered + box.dropped + box.waiting
        for box in bus.statistics().mailboxes
        if box.owner != "satellite"
    }


async def _watch(bus: Bus, found: Found, turns: list[str]) -> None:
    """Real turns' ids are guessed at too."""
    async with bus.subscribe(Event, limit=10**6, overflow=Overflow.FAIL, owner="fuzz-watch") as facts:
        async for fact in facts:
            if isinstance(fact, ServiceStateChanged) and fact.state in {State.BACKOFF, State.FAILED}:
                found.crashed.append(f"{fact.name}: {fact.note}")
            elif fact.turn_id:
                turns.append(fact.turn_id)
                del turns[:-5]


async def _ask(bus: Bus, satellite: Satellite) -> str:
    async with bus.subscribe(TurnFinished, limit=1000, overflow=Overflow.FAIL, owner="fuzz-ask") as turns:
        satellite.say(ask(1.0, wake=satellite.wake))
        async with asyncio.timeout(120):
            async for turn in turns:
                if turn.source == satellite.source:
                    return turn.summary.outcome
    return "none"


@pytest.mark.slow
@pytest.mark.timeout(3600)
class TestFuzzedEvents:
    def test_every_kind_came(self, found: Found) -> None:
        assert set(found.published) == {kind.__name__ for kind in MEANT}
        assert found.published.total() >= FACTS

    def test_nothing_crashes(self, found: Found) -> None:
        assert found.crashed == []

    def test_what_is_dropped_is_counted(self, found: Found) -> None:
        assert found.mailboxes > 20
        assert found.not_counted == []

    def test_people_are_answered_afterwards(self, found: Found) -> None:
        assert found.answered_after == "answered"
