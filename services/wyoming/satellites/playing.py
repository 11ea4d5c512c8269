"""A satellite's loudspeaker: answers go out at the pace at which they are heard, and end when they should."""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Callable

from services.formats.wyoming.sounds import chunk, starting, stopping
from services.messages.audio import SoundOut
from services.messages.playback import SoundPlayed
from services.wyoming.link import Link
from solo.supervision import Context

LEAD_S = 0.5
"""Sound that a satellite has before it is heard: enough for a hiccup of its network, little to take back."""
PIECE_S = 0.1
PLAYED_WITHIN_S = 2.0
"""For a satellite to say `played` behind the end by the clock; some never do."""
_MOST_STOPPED = 64


class Loudspeaker:
    """`take` is one task; the rest may be called at any time."""

    def __init__(self, ctx: Context, link: Link, source: str) -> None:
        self.volume = 1.0
        self.playing = False
        self.mute = False
        """It has none, or is asked to be silent: sound is taken, and goes nowhere."""
        self.over = asyncio.Event()
        """Nothing is being played."""
        self.over.set()
        self._ctx = ctx
        self._link = link
        self._source = source
        self._turn: str | None = None
        self._rate = 0
        self._began = 0.0
        self._sent_s = 0.0
        self._held = False
        self._played = False
        self._stopped: OrderedDict[str, None] = OrderedDict()
        self._changed = asyncio.Event()

    async def take(self, sound: SoundOut) -> None:
        """The next piece of an answer; returns when no more than `LEAD_S` of it waits at the satellite."""
        if sound.last:
            await self._finish()
            self._stopped.pop("", None)  # sound that belongs to no turn has its own end
        elif not self.mute and sound.pcm and not self._is_stopped(sound.turn_id):
            if not self.playing or sound.turn_id != self._turn or sound.sample_rate != self._rate:
                await self._begin(sound)
            step = int(PIECE_S * sound.sample_rate) * 2
            for start in range(0, len(sound.pcm), step):
                if not await self._wait_for_room():
                    return
                piece = sound.pcm[start : start + step]
                await self._link.send(chunk(self._louder(piece), self._rate, int(self._sent_s * 1000)))
                self._sent_s += len(piece) / 2 / self._rate
                self._tell()

    def stop(self, turn_id: str | None) -> None:
        """What is still to come of this turn is not wanted."""
        self._stopped[turn_id or ""] = None
        if len(self._stopped) > _MOST_STOPPED:
            self._stopped.popitem(last=False)
        self._changed.set()

    def hold(self, held: bool) -> None:
        """Send nothing for a while; what the satellite has is still heard."""
        self._held = held
        self._changed.set()

    def played(self) -> None:
        """The satellite says that all of it has been heard."""
        self._played = True
        self._changed.set()

    async def end(self) -> None:
        """Behind the last piece, or instead of it."""
        if self.playing:
            self.playing = False
            self.over.set()
            await self._link.send(stopping(int(self._sent_s * 1000)))

    # ----------------------------------------------------------------------------------------------

    async def _begin(self, sound: SoundOut) -> None:
        await self.end()
        self.playing, self._played = True, False
        self.over.clear()
        self._turn, self._rate = sound.turn_id, sound.sample_rate
        self._began, self._sent_s = _now(), 0.0
        await self._link.send(starting(self._rate))

    async def _finish(self) -> None:
        if not self.playing:
            return
        await self._link.send(stopping(int(self._sent_s * 1000)))
        await self._wait(self._began + self._sent_s + PLAYED_WITHIN_S, lambda: self._played)
        self.playing = False
        self.over.set()
        self._tell(whole=not self._is_stopped(self._turn))

    async def _wait_for_room(self) -> bool:
        """False when this turn is not to be heard any further."""
        before = _now()
        if self._held:
            await self._wait(None, lambda: not self._held)
            self._began += _now() - before
        await self._wait(self._began + self._sent_s - LEAD_S, lambda: False)
        if self._is_stopped(self._turn):
            await self.end()
            return False
        late = _now() - (self._began + self._sent_s)
        if late > 0:
            self._began += late  # the satellite had nothing to play meanwhile
        return True

    async def _wait(self, until: float | None, enough: Callable[[], bool]) -> None:
        """Until this time, or until it is enough, or until the turn is stopped."""
        while not enough() and not self._is_stopped(self._turn):
            if until is not None and _now() >= until:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _is_stopped(self, turn_id: str | None) -> bool:
        return (turn_id or "") in self._stopped

    def _tell(self, *, whole: bool = False) -> None:
        heard = self._sent_s if whole else min(self._sent_s, max(0.0, _now() - self._began))
        self._ctx.publish(SoundPlayed(source=self._source, played_turn=self._turn, played_s=round(heard, 3)))

    def _louder(self, pcm: bytes) -> bytes:
        if self.volume == 1.0:
            return pcm
        return array("h", (int(sample * self.volume) for sample in array("h", pcm))).tobytes()


def _now() -> float:
    return asyncio.get_running_loop().time()
