"""Tells that timers have run out, several times, until somebody says stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from services.messages.announcing import Announce
from services.skills.timers.keeper import Store
from services.skills.timers.timer import Clock, Entry
from solo.errors import SoloError
from solo.storage import DatabaseError
from solo.supervision import Context

_SAID_WITHIN_S = 60.0
_TRY_EVERY_S = 5.0
"""While nobody is attached who could hear it."""
_TRY_FOR_S = 12 * 3600.0


@dataclass(slots=True)
class Ringing:
    """Timers of one profile that were set at one source: they are told together."""

    profile: str
    source: str
    entries: list[Entry]
    dismissed: list[Entry] = field(default_factory=list)
    silenced: asyncio.Event = field(default_factory=asyncio.Event)
    heard_by: frozenset[str] = frozenset()
    count: int = 0
    """How often they were told."""
    interrupted: bool = False
    """Somebody spoke over it, so somebody heard it."""

    def heard_at(self, source: str) -> bool:
        return self.source in {"", source} or source in self.heard_by


class Ringer:
    def __init__(
        self,
        ctx: Context,
        tasks: asyncio.TaskGroup,
        store: Store,
        clock: Clock,
        *,
        wording: Callable[[Sequence[Entry]], str],
        times: int,
        every_s: float,
        language: str,
    ) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._store = store
        self._clock = clock
        self._wording = wording
        self._times = times
        self._every_s = every_s
        self._language = language
        self._telling: set[asyncio.Task[None]] = set()
        self._ringing: dict[tuple[str, str], Ringing] = {}

    def ring(self, due: Sequence[Entry]) -> None:
        for entry in due:
            key = (entry.profile, entry.source)
            group = self._ringing.get(key)
            if group is None or group.silenced.is_set():
                group = self._ringing[key] = Ringing(entry.profile, entry.source, [])
                task = self._tasks.create_task(self._tell(key, group), name="ringing")
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)
            group.entries.append(entry)
            group.count = 0

    def of(self, profile: str) -> list[Entry]:
        """What is being told on somebody's behalf."""
        return [
            entry
            for group in self._ringing.values()
            if group.profile == profile and not group.silenced.is_set()
            for entry in group.entries
        ]

    def silence(self, *, profile: str | None = None, source: str | None = None) -> list[Entry]:
        """Of a profile, or what can be heard at a source; returns what was silenced."""
        silenced: list[Entry] = []
        for group in self._ringing.values():
            if not group.silenced.is_set() and (
                group.profile == profile or (source is not None and group.heard_at(source))
            ):
                group.silenced.set()
                silenced.extend(group.entries)
        return silenced

    def interrupted(self, source: str) -> None:
        for group in self._ringing.values():
            group.interrupted |= group.heard_at(source)

    def dismiss(self, profile: str, id_: str) -> Entry | None:
        """Not told any more; None: nothing with this id is being told to them."""
        for group in self._ringing.values():
            for entry in group.entries:
                if group.profile == profile and entry.id == id_ and not group.silenced.is_set():
                    if len(group.entries) == 1:
                        group.silenced.set()
                    else:
                        group.entries.remove(entry)
                        group.dismissed.append(entry)
                    return entry
        return None

    def stop(self) -> None:
        """Solo stops: what has not been told is told after the next start."""
        for task in self._telling:
            task.cancel()

    async def _tell(self, key: tuple[str, str], group: Ringing) -> None:
        began = self._clock.steady()
        told: set[str] = set()
        while not group.silenced.is_set() and group.count < self._times:
            entries = list(group.entries)
            group.count += 1
            group.interrupted = False
            heard = await self._announce(group, self._wording(entries))
            group.heard_by |= frozenset(heard)
            if heard or group.interrupted:
                told = await self._note(entries, told)
            elif self._clock.steady() - began < _TRY_FOR_S:
                group.count -= 1
            else:
                self._ctx.log.warning("nobody was there to be told", timers=len(entries))
            pause = self._every_s if heard or group.interrupted else _TRY_EVERY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await group.silenced.wait()
        if self._ringing.get(key) is group:
            del self._ringing[key]
        await self._forget([entry.id for entry in (*group.entries, *group.dismissed)])

    async def _announce(self, group: Ringing, text: str) -> tuple[str, ...]:
        """At the source where it was set, and everywhere when that is gone."""
        for source in dict.fromkeys((group.source or None, None)):
            announcement = Announce(text=text, source=source, profile=group.profile, language=self._language)
            try:
                heard = await self._ctx.request(announcement, within=_SAID_WITHIN_S)
            except SoloError as error:
                self._ctx.log.debug("could not announce", source=source, error=error.line())
                continue
            if heard or group.interrupted or group.silenced.is_set():
                return heard
        return ()

    async def _note(self, entries: Sequence[Entry], told: set[str]) -> set[str]:
        new = {entry.id for entry in entries} - told
        if new:
            try:
                await self._store.told(sorted(new))
            except DatabaseError as error:
                self._ctx.log.warning("that it was told is not written down", error=error.line())
        return told | new

    async def _forget(self, ids: Sequence[str]) -> None:
        try:
            await self._store.remove(ids)
        except DatabaseError as error:
            self._ctx.log.warning("what has run out is not forgotten yet", error=error.line())
