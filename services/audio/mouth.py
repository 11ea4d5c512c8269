"""What waits to be played by one source, and the clock of what was heard of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Literal

from services.messages.audio import BYTES_PER_SAMPLE, SoundOut
from services.messages.playback import Playback

AHEAD = 64
"""Pieces of an answer that wait for their source before the turn that makes them has to wait."""
_LATE_S = 5.0
"""A source that has not played a piece so long after it should have will not play it."""


class Clock:
    """What a loudspeaker has played of what it was given: reckoned, or told by the source itself."""

    def __init__(self) -> None:
        self.turn: str | None = None
        self.paused = False
        self._given = 0.0
        self._played = 0.0
        self._since = time.monotonic()

    def give(self, seconds: float, turn: str | None) -> None:
        """The source has this from now on; another turn's sound starts the clock afresh."""
        self._advance()
        if turn != self.turn:
            self.turn, self._given, self._played = turn, 0.0, 0.0
        self._given += seconds

    def told(self, turn: str | None, played_s: float) -> None:
        """The source knows better."""
        self._advance()
        if turn == self.turn:
            self._played = min(played_s, self._given)

    def pause(self, paused: bool) -> None:
        self._advance()
        self.paused = paused

    def stop(self) -> None:
        """What was given and not played will not be."""
        self._advance()
        self.paused = False
        self._given = self._played

    @property
    def played_s(self) -> float:
        self._advance()
        return self._played

    @property
    def left_s(self) -> float:
        """Given and not played yet."""
        self._advance()
        return self._given - self._played

    def _advance(self) -> None:
        now = time.monotonic()
        if not self.paused:
            self._played = min(self._given, self._played + (now - self._since))
        self._since = now


class Mouth:
    def __init__(self, source: str) -> None:
        self.clock = Clock()
        self.volume = 1.0
        self.began = False
        """Something of the answer that is expected has been handed over."""
        self._source = source
        self._waiting: deque[SoundOut] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    async def put(self, sound: SoundOut) -> None:
        """Waits while `AHEAD` pieces are waiting; what comes after `close` is dropped."""
        while len(self._waiting) >= AHEAD and not self._closed:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(sound)
        self._changed.set()

    async def next(self) -> SoundOut | None:
        """The next piece; None after `close`, when nothing is left. Raises what it was closed with."""
        while (not self._waiting or self.clock.paused) and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        if self._waiting:
            sound = self._waiting.popleft()
            self.clock.give(_seconds(sound), sound.turn_id)
            self.began |= bool(sound.pcm)
            return sound
        if self._error is not None:
            raise self._error
        return None

    def expect(self) -> None:
        """Another answer will come."""
        self.began = False

    def pause(self) -> None:
        """Hold the sound where it is."""
        self.clock.pause(True)

    def resume(self) -> None:
        self.clock.pause(False)
        self._changed.set()

    def forget(self) -> Playback:
        """Drop what waits; what was heard until now."""
        heard = self.state()
        self._waiting.clear()
        self.clock.stop()
        self._changed.set()
        self._room.set()
        return heard

    @property
    def silent(self) -> bool:
        """Everything has been heard."""
        return not any(sound.pcm for sound in self._waiting) and self.clock.left_s <= 0

    async def heard_out(self) -> None:
        """Returns when everything has been heard, as far as it will be."""
        overdue = 0.0
        while not self.silent and not self._closed and overdue < _LATE_S:
            left = self.clock.left_s
            await asyncio.sleep(min(max(left, 0.02), 0.25))
            overdue = 0.0 if self.clock.left_s < left or self.clock.paused else overdue + max(left, 0.02)

    def state(self) -> Playback:
        waiting = sum(map(_seconds, self._waiting))
        state: Literal["silent", "playing", "paused"] = "silent"
        if not self.silent:
            state = "paused" if self.clock.paused else "playing"
        return Playback(
            source=self._source,
            state=state,
            turn_id=self.clock.turn,
            played_s=round(self.clock.played_s, 4),
            queued_s=round(waiting + self.clock.left_s, 4),
            volume=self.volume,
        )

    def close(self, error: BaseException | None = None) -> None:
        self._closed = True
        self._error = error
        self._changed.set()
        self._room.set()


def _seconds(sound: SoundOut) -> float:
    return len(sound.pcm) / BYTES_PER_SAMPLE / sound.sample_rate
