"""The loudspeaker seen from the daemon: plays, holds, goes on, is silent or softer, and says what was heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from services.audio.device import NoSoundDevice
from services.audio.local.hearing import SOURCE
from services.audio.local.slot import DeviceSlot
from services.audio.local.unheard import Piece, Unheard
from services.messages.audio import Attach, PlaybackStopped, SoundOut
from services.messages.playback import PlaybackPaused, PlaybackResumed, SoundPlayed, VolumeChanged
from solo.bus import DeadlineExceeded, Overflow
from solo.isolation.engine import EngineDied
from solo.isolation.process import EngineProcess
from solo.supervision import Context

E = TypeVar("E", PlaybackStopped, PlaybackPaused, PlaybackResumed, VolumeChanged)

_FOREVER_S = 3e8
_TELL_EVERY_S = 0.2
_WITHIN_S = 2.0
_PLAY_WITHIN_S = 30.0
_NEXT_WITHIN_S = 15.0
"""An answer waits so long for a device that is being opened; behind that it is not heard."""
_OPENINGS = 3
"""An answer may see so many devices come and go."""
_FINISHES = 12
"""Times `finish` is asked for one answer: each waits 20 s at most, longer when the sound is held."""
_STOPPED = 64


class Playing:
    def __init__(self, ctx: Context, slot: DeviceSlot) -> None:
        self._ctx = ctx
        self._slot = slot
        self.over = asyncio.Event()
        """Nothing is being played."""
        self.over.set()
        self.lost = False
        """There is no loudspeaker; until the device is opened again."""
        self._sounding = asyncio.Event()
        self._known: EngineProcess | None = None
        """Which device has been told volume and pause."""
        self._dead: EngineProcess | None = None
        """Which one is known not to answer any more, whether or not its keeper has noticed."""
        self._unheard = Unheard()
        self._turn: str | None = None
        self._answers = 0
        self._stopped: deque[str | None] = deque(maxlen=_STOPPED)
        self._stopping = asyncio.Lock()
        self._paused = False
        self._volume = 1.0

    async def attached(self, attach: Attach) -> None:
        """Be the source, as long as the audio service is there."""
        async with self._ctx.stream(attach, within=_FOREVER_S) as sounds:
            async for sound in sounds:
                await self._take(sound)

    async def obey(self) -> None:
        """Until asked to stop: what is published of this source's sound."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(PlaybackStopped, self._stop))
            tasks.create_task(self._follow(PlaybackPaused, self._pause))
            tasks.create_task(self._follow(PlaybackResumed, self._resume))
            tasks.create_task(self._follow(VolumeChanged, self._loudness))

    async def _follow(self, kind: type[E], obey: Callable[[E], Awaitable[None]]) -> None:
        async with self._ctx.subscribe(kind, limit=64, overflow=Overflow.FAIL) as events:
            async for event in events:
                if event.source == SOURCE:
                    await obey(event)

    # -- what is played --------------------------------------------------------------------------

    async def _take(self, sound: SoundOut) -> None:
        async with self._stopping:  # what comes now is not to be silenced by it
            pass
        if sound.turn_id in self._stopped and sound.turn_id is not None:
            return
        if sound.last:
            await self._finish(sound.turn_id)
            return
        if self.over.is_set() or sound.turn_id != self._turn:
            self._answers += 1
            self._turn = sound.turn_id
            self._unheard.begin(f"{self._answers} {sound.turn_id or ''}")
        self.over.clear()
        self._sounding.set()
        self._unheard.add(sound.pcm, sound.sample_rate)
        await self._play([(sound.pcm, sound.sample_rate)])

    async def _play(self, pieces: list[Piece] | None) -> None:
        """Pieces, or whatever has not been heard yet: that is what the next device gets when one dies."""
        key = self._unheard.key
        for _ in range(_OPENINGS):
            try:
                engine, fresh = await self._engine()
                for pcm, rate in self._unheard.again() if fresh or pieces is None else pieces:
                    if self.over.is_set() or self._unheard.key != key:
                        return  # stopped meanwhile
                    await engine.call("play", within=_PLAY_WITHIN_S, turn=key, pcm=pcm, sample_rate=rate)
                return
            except EngineDied:
                self._dead = self._known
            except DeadlineExceeded:
                return  # its process is stuck, and is about to be ended for it
            except (NoSoundDevice, TimeoutError):
                break
        await self._unplayable(pieces or [])

    async def _unplayable(self, pieces: list[Piece]) -> None:
        """Nobody hears it; the answer goes by at the pace of one that is heard, as the screen still shows it."""
        self.lost = True
        self._unheard.forget()
        with suppress(TimeoutError):
            async with asyncio.timeout(sum(len(pcm) / 2 / rate for pcm, rate in pieces)):
                await self.over.wait()

    async def _engine(self) -> tuple[EngineProcess, bool]:
        """The device, and whether it is another than the last one, which had been told things.

        Raises TimeoutError when there is none for long.
        """
        async with asyncio.timeout(_NEXT_WITHIN_S):
            while True:
                engine = await self._slot.other_than(self._dead)
                if engine is self._known:
                    return engine, False
                try:
                    if self._volume != 1.0:
                        await engine.call("loudness", within=_WITHIN_S, volume=self._volume)
                    if self._paused:
                        await engine.call("pause", within=_WITHIN_S)
                except (EngineDied, DeadlineExceeded):
                    self._dead = engine
                    continue
                fresh, self._known = self._known is not None, engine
                return engine, fresh

    async def _finish(self, turn_id: str | None) -> None:
        for _ in range(_FINISHES):
            if self.over.is_set() or turn_id != self._turn:
                return
            if self.lost:
                break
            try:
                engine, fresh = await self._engine()
                if fresh:
                    await self._play(None)
                elif await engine.call("finish", within=_PLAY_WITHIN_S):
                    break
            except EngineDied:
                self._dead = self._known
            except (DeadlineExceeded, TimeoutError):
                break
        await self._tell("position")
        self._end()

    def _end(self) -> None:
        self.over.set()
        self._sounding.clear()
        self._paused = False

    # -- what is obeyed --------------------------------------------------------------------------

    async def _stop(self, event: PlaybackStopped) -> None:
        self._stopped.append(event.stopped_turn)
        if event.stopped_turn not in (self._turn, None):
            return  # none of it has come yet, or all of it is over
        async with self._stopping:
            self._end()
            await self._tell("silence")
            self._unheard.forget()

    async def _pause(self, _: PlaybackPaused) -> None:
        self._paused = True
        await self._tell("pause")

    async def _resume(self, _: PlaybackResumed) -> None:
        self._paused = False
        await self._tell("resume")

    async def _loudness(self, event: VolumeChanged) -> None:
        self._volume = event.volume
        await self._ask("loudness", volume=event.volume)

    async def report(self) -> None:
        """For ever: what has been heard, a few times a second while something is."""
        while True:
            await self._sounding.wait()
            await asyncio.sleep(_TELL_EVERY_S)
            if not self.over.is_set():
                await self._tell("position")

    async def _tell(self, method: str) -> None:
        """Ask the device, which answers where it is, and pass that on."""
        key, turn = self._unheard.key, self._turn
        found = await self._ask(method)
        if not isinstance(found, dict) or found.get("turn") != key or self._unheard.key != key or not key:
            return
        played = found.get("played_s")
        if isinstance(played, int | float) and not self.lost:
            heard = self._unheard.heard(float(played))
            self._ctx.publish(SoundPlayed(source=SOURCE, played_turn=turn, played_s=round(heard, 3)))

    async def _ask(self, method: str, **params: Any) -> Any:
        engine = self._slot.engine
        if engine is None:
            return None
        try:
            return await engine.call(method, within=_WITHIN_S, **params)
        except (EngineDied, DeadlineExceeded):
            return None  # the next device is told what still holds
