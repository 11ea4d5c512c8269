"""Keeps timers and says when one has run out; what it acknowledges is in the database."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from services.messages.timers import TimerCancelled, TimerChanged, TimerFinished, TimerSet
from services.skills.timers.timer import Clock, Entry
from solo.bus import Event
from solo.errors import SoloError
from solo.logs import get_logger
from solo.storage import DatabaseError

MOST_OF_ONE = 100
"""Timers of one profile."""
MOST_S = 7 * 86_400.0
"""Seconds that a timer may count."""
LOADED_WITHIN_S = 4.0
_LOOK_EVERY_S = 5.0
"""While something is set: how late an alarm may be when the clock on the wall is put forward."""
_JUMP_S = 1.0
"""The clocks drift apart by less than this between two looks, or the wall's was set."""
_PAUSE_S = (0.5, 10.0)

_Place = tuple[float, int, str]
"""In a heap: when it is due, which state of the timer that speaks of, its id."""


class TooManyTimers(SoloError):
    """So many timers are set that no other one is taken."""

    code = "skills.too_many_timers"


class NoTimer(SoloError):
    """There is no such timer."""

    code = "skills.no_timer"


class TimersUnavailable(SoloError):
    """The timers have not been read from the database yet."""

    code = "skills.timers_unavailable"
    retryable = True


class Store(Protocol):
    async def save(self, entry: Entry) -> None: ...
    async def remove(self, ids: Sequence[str]) -> None: ...
    async def told(self, ids: Sequence[str]) -> None: ...
    async def put_right(self, entries: Sequence[Entry]) -> None: ...
    async def all(self) -> list[Entry]: ...


class Keeper:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        on_due: Callable[[Sequence[Entry]], None],
        publish: Callable[[Event], None],
    ) -> None:
        self.store = store
        self.clock = clock
        self._on_due = on_due
        self._publish = publish
        self._entries: dict[str, Entry] = {}
        self._due: tuple[list[_Place], list[_Place]] = ([], [])
        """Heaps by the steady clock and by the wall's. A place that is not in force any more is passed over."""
        self._counts: Counter[str] = Counter()
        """Timers of each profile."""
        self._marks: dict[str, int] = {}
        self._count = itertools.count()
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()
        self._apart = clock.wall() - clock.steady()
        self._wrong: Sequence[str] = ()
        self._jumped = asyncio.Event()
        self._log = get_logger(service="skills")

    async def add(self, entry: Entry) -> None:
        """Kept once this returns."""
        await self._ready()
        if self._counts[entry.profile] >= MOST_OF_ONE:
            raise TooManyTimers(f"{MOST_OF_ONE} timers are set already", hint="Cancel one first.")
        await self.store.save(entry)
        self._keep(entry)
        self._publish(TimerSet(profile=entry.profile, timer=entry.shown(self.clock)))

    async def change(self, entry: Entry) -> None:
        """`entry` takes the place of the one with its id. Raises NoTimer when that has run out meanwhile."""
        await self.store.save(entry)
        if entry.id not in self._entries:
            raise NoTimer
        self._keep(entry)
        self._publish(TimerChanged(profile=entry.profile, timer=entry.shown(self.clock)))

    async def remove(self, entries: Sequence[Entry]) -> None:
        await self.store.remove([entry.id for entry in entries])
        for entry in entries:
            if entry.id in self._entries:
                self._drop(entry.id)
                self._publish(TimerCancelled(profile=entry.profile, timer=entry.shown(self.clock)))

    async def of(self, profile: str) -> list[Entry]:
        """The one that is due next comes first; a paused one last."""
        await self._ready()
        own = [entry for entry in self._entries.values() if entry.profile == profile]
        return sorted(own, key=lambda entry: (entry.paused_s is not None, entry.left(self.clock)))

    async def run(self) -> None:
        """Until cancelled."""
        await self._load()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._put_right())
            await self._watch()

    async def _watch(self) -> None:
        while True:
            self._notice_a_jump()
            if due := self._run_out():
                for entry in due:
                    shown = entry.shown(self.clock, ringing=True)
                    self._publish(TimerFinished(profile=entry.profile, timer=shown))
                self._on_due(due)
            self._changed.clear()
            pause = self._until_next()
            if pause is None:
                await self._changed.wait()
                self._apart = self.clock.wall() - self.clock.steady()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(pause, 0.0), _LOOK_EVERY_S)):
                    await self._changed.wait()

    async def _load(self) -> None:
        pause, told = _PAUSE_S[0], ""
        while True:
            try:
                found = await self.store.all()
                if over := [entry.id for entry in found if entry.told]:
                    await self.store.remove(over)
                break
            except DatabaseError as error:
                if error.code != told:
                    self._log.warning("timers cannot be read yet", error=error.line())
                    told = error.code
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_S[1])
        for entry in found:
            if not entry.told:
                entry.after_restart(self.clock)
                self._keep(entry)
        self._loaded.set()

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(LOADED_WITHIN_S):
                await self._loaded.wait()
        except TimeoutError:
            raise TimersUnavailable from None

    def _keep(self, entry: Entry) -> None:
        self._counts[entry.profile] += entry.id not in self._entries
        self._entries[entry.id] = entry
        mark = self._marks[entry.id] = next(self._count)
        if entry.paused_s is None:
            due = entry.due_at if entry.by_clock else entry.due_steady
            heapq.heappush(self._due[entry.by_clock], (due, mark, entry.id))
        self._changed.set()

    def _drop(self, id_: str) -> Entry:
        entry = self._entries.pop(id_)
        del self._marks[id_]
        self._counts[entry.profile] -= 1
        if not self._counts[entry.profile]:
            del self._counts[entry.profile]
        return entry

    def _run_out(self) -> list[Entry]:
        due = []
        for heap, now in zip(self._due, (self.clock.steady(), self.clock.wall()), strict=True):
            while heap and (not self._in_force(heap[0]) or heap[0][0] <= now):
                first = heapq.heappop(heap)
                if self._in_force(first):
                    due.append(self._drop(first[2]))
        return due

    def _until_next(self) -> float | None:
        """Seconds; everything in the heaps that is not in force has been taken off their tops."""
        clocks = (self.clock.steady(), self.clock.wall())
        return min((heap[0][0] - now for heap, now in zip(self._due, clocks, strict=True) if heap), default=None)

    def _in_force(self, place: _Place) -> bool:
        return self._marks.get(place[2]) == place[1]

    def _notice_a_jump(self) -> None:
        """Alarms follow the clock on the wall by themselves. What counts seconds is due at another time of day now,
        which matters to whoever reads it after a restart of the machine."""
        apart = self.clock.wall() - self.clock.steady()
        if abs(apart - self._apart) <= _JUMP_S:
            return
        self._log.info("the clock was set", by_s=round(apart - self._apart, 1))
        self._apart = apart
        counting = [entry for entry in self._entries.values() if not entry.by_clock and entry.paused_s is None]
        for entry in counting:
            entry.settle(self.clock)
        self._wrong = [entry.id for entry in counting]
        self._jumped.set()

    async def _put_right(self) -> None:
        """Write down what a jump of the clock has changed, as soon as the database can."""
        while True:
            await self._jumped.wait()
            self._jumped.clear()
            wrong = [entry for id_ in self._wrong if (entry := self._entries.get(id_)) is not None]
            try:
                await self.store.put_right(wrong)
            except DatabaseError as error:
                self._log.warning("the clock was set, which cannot be written down yet", error=error.line())
                await asyncio.sleep(_PAUSE_S[1])
                self._jumped.set()
