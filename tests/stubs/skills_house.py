"""The skills service with a clock that tests turn, a table in memory, and somebody who hears announcements."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.messages.announcing import Announce
from services.messages.skills import MatchSkill, RunSkill, SkillReply
from services.messages.timers import ListTimers, Timer
from services.skills.adapters.hassil_templates import HassilCompiler, HassilTemplates
from services.skills.doing.hands import WallTime
from services.skills.languages.en.english import English
from services.skills.service import Policy, SkillsService
from services.skills.timers.timer import Clock, Entry
from solo.bus import Bus
from solo.storage import DatabaseUnavailable
from solo.supervision import ServiceSpec
from tests.stubs.services import House, answering, spec, supervised

NOON = 1_763_985_600.0
"""Monday, 24 November 2025, 12:00 UTC."""


@dataclass
class TestClock:
    """Goes with the loop's; the one on the wall can be set."""

    __test__ = False
    wall_at_zero: float = NOON
    boot: str = "first"
    began: float = field(default_factory=lambda: time.monotonic())
    """Looked up when it is made: virtual time has replaced the function by then."""

    def now(self) -> float:
        return self.wall_at_zero + time.monotonic() - self.began

    def set_by(self, seconds: float) -> None:
        self.wall_at_zero += seconds

    def clock(self) -> Clock:
        return Clock(self.now, time.monotonic, self.boot)


@dataclass
class MemoryStore:
    """As the table behaves; contract: tests/contract/test_timer_store.py."""

    rows: dict[str, Entry] = field(default_factory=dict)
    away: bool = False
    saved: int = 0

    async def save(self, entry: Entry) -> None:
        await self._step()
        self.rows[entry.id] = replace(entry)
        self.saved += 1

    async def remove(self, ids: Sequence[str]) -> None:
        await self._step()
        for id_ in ids:
            self.rows.pop(id_, None)

    async def told(self, ids: Sequence[str]) -> None:
        await self._step()
        for id_ in ids:
            if id_ in self.rows:
                self.rows[id_].told = True

    async def put_right(self, entries: Sequence[Entry]) -> None:
        await self._step()
        for entry in entries:
            if entry.id in self.rows:
                self.rows[entry.id].due_at = entry.due_at

    async def all(self) -> list[Entry]:
        await self._step()
        return [replace(entry) for entry in self.rows.values()]

    async def _step(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise DatabaseUnavailable("the database is away")


@dataclass
class Listener:
    """Hears what is announced, when somebody is there."""

    there: bool = True
    said: list[tuple[float, Announce]] = field(default_factory=list)
    sources: tuple[str, ...] = ("kitchen",)
    takes_s: float = 0.0
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    async def announce(self, question: Announce) -> tuple[str, ...]:
        if not self.there or (question.source is not None and question.source not in self.sources):
            return ()
        self.said.append((time.monotonic(), question))
        self.grew.set()
        await asyncio.sleep(self.takes_s)
        return (question.source,) if question.source else self.sources

    def texts(self) -> list[str]:
        return [announcement.text for _, announcement in self.said]

    async def hears(self, count: int) -> list[str]:
        """Wait until so many announcements were made."""
        while len(self.said) < count:
            self.grew.clear()
            await self.grew.wait()
        return self.texts()


@dataclass
class SkillsHouse:
    bus: Bus
    house: House
    clock: TestClock
    store: MemoryStore
    listener: Listener

    async def say(self, text: str, *, source: str = "kitchen", profile: str = "owner") -> SkillReply:
        """What the conversation does: match, and run what matched."""
        match = await self.bus.request(MatchSkill(text=text, profile=profile), within=5)
        assert match is not None, f"{text!r} is not understood"
        return await self.bus.request(RunSkill(match=match, text=text, source=source, profile=profile), within=30)

    async def timers(self, profile: str = "owner") -> tuple[Timer, ...]:
        return await self.bus.request(ListTimers(profile=profile), within=5)


class OnceCompiler(HassilCompiler):
    """Compiling takes a second on a busy machine, and gives the same each time."""

    def __init__(self) -> None:
        self._compiled: dict[str, HassilTemplates] = {}

    def compile(self, language: str, documents: Sequence[Mapping[str, Any]]) -> HassilTemplates:
        key = repr(documents)
        if key not in self._compiled:
            self._compiled[key] = super().compile(language, documents)
        return self._compiled[key]


_COMPILER = OnceCompiler()


async def _at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    """Threads are not for a loop of virtual time."""
    return work(*arguments)


@asynccontextmanager
async def skills_house(
    bus: Bus,
    *,
    clock: TestClock | None = None,
    store: Any = None,
    listener: Listener | None = None,
    others: Sequence[ServiceSpec] = (),
    folder: Path = Path("/nowhere"),
    zone: str | None = "Europe/Berlin",
    look_every_s: float = 3600.0,
    make: Callable[[Policy], SkillsService] | None = None,
) -> AsyncIterator[SkillsHouse]:
    clock, store, listener = clock or TestClock(), store or MemoryStore(), listener or Listener()
    policy = Policy(
        language=English(),
        compiler=_COMPILER,
        folder=folder,
        look_every_s=look_every_s,
        wall_time=WallTime(ZoneInfo(zone) if zone else None),
        times=3,
        every_s=4.0,
        off_loop=_at_once,
    )

    def service() -> SkillsService:
        return make(policy) if make is not None else SkillsService(policy, store, clock.clock())

    skills = ServiceSpec(name="skills", make=service, answers=(MatchSkill, RunSkill, ListTimers))
    speaker = spec("speaker", answering(Announce, listener.announce), answers=(Announce,))
    async with supervised(bus, speaker, *others, skills) as house:
        yield SkillsHouse(bus, house, clock, store, listener)
