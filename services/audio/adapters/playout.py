"""The queue between those who hand sound over and a loudspeaker's clock: pauses, volume, what has been heard."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from services.audio.device import Position
from solo.isolation.call import Call

AHEAD_S = 0.5
_TAKEN_WITHIN_S = 20.0
_REMEMBERED = 256
"""Blocks on their way to the air: more than any device buffers."""
_SAMPLE = 2


@dataclass(slots=True)
class _Block:
    """A stretch of one turn's sound that the loudspeaker has been given."""

    at: float
    """Monotonic seconds at which its first sample is heard."""
    turn: str
    start_s: float
    seconds: float


class Playout:
    """Any thread hands over and asks; the loudspeaker's own takes. Nobody waits while holding the lock."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.rate = 0
        self._waiting: deque[tuple[str, memoryview]] = deque()
        self._queued = 0
        self._paused = False
        self._volume = 1.0
        self._turn = ""
        self._handed_s = 0.0
        self._blocks: deque[_Block] = deque(maxlen=_REMEMBERED)

    def put(self, turn: str, pcm: bytes) -> None:
        with self.changed:
            self._waiting.append((turn, memoryview(pcm)))
            self._queued += len(pcm)
            self.changed.notify_all()

    def take(self, size: int, at: float) -> bytes:
        """The next `size` bytes; silence fills up. `at`: monotonic seconds at which their first sample is heard."""
        with self.changed:
            taken = bytearray()
            while not self._paused and self._waiting and len(taken) < size:
                turn, pcm = self._waiting.popleft()
                piece = pcm[: size - len(taken)]
                if len(piece) < len(pcm):
                    self._waiting.appendleft((turn, pcm[len(piece) :]))
                self._give(turn, len(piece), at + len(taken) / _SAMPLE / self.rate)
                taken += piece
            if taken:
                self.changed.notify_all()
            volume = self._volume
        sound = bytes(taken) if volume == 1.0 else scaled(bytes(taken), volume)
        return sound.ljust(size, b"\0")

    def _give(self, turn: str, size: int, at: float) -> None:
        if turn != self._turn:
            self._turn, self._handed_s = turn, 0.0
        seconds = size / _SAMPLE / self.rate
        self._blocks.append(_Block(at, turn, self._handed_s, seconds))
        self._handed_s += seconds
        self._queued -= size

    def hold(self) -> Position:
        with self.changed:
            self._paused = True
            return self._place(None)

    def go_on(self) -> Position:
        with self.changed:
            self._paused = False
            self.changed.notify_all()
            return self._place(None)

    def forget(self) -> Position:
        """What the loudspeaker was given is heard; what waits is not."""
        with self.changed:
            self._waiting.clear()
            self._queued = 0
            self._paused = False
            self.changed.notify_all()
            return self._place(None)

    def set_volume(self, volume: float) -> None:
        with self.changed:
            self._volume = min(1.0, max(0.0, volume))

    def place(self) -> Position:
        with self.changed:
            return self._place(time.monotonic())

    @property
    def sounding(self) -> bool:
        """Something is to be played now; with the lock held."""
        return bool(self._waiting) and not self._paused

    def _place(self, now: float | None) -> Position:
        turn, heard = self._turn, self._handed_s
        if now is not None:
            for block in reversed(self._blocks):
                if block.at <= now:
                    turn, heard = block.turn, block.start_s + min(block.seconds, now - block.at)
                    break
                turn, heard = block.turn, block.start_s  # not in the air yet
        on_its_way = now is not None and bool(self._blocks) and self._blocks[-1].at + self._blocks[-1].seconds > now
        playing = bool(self._waiting) or on_its_way
        queued = self._queued / _SAMPLE / self.rate if self.rate else 0.0
        return Position(
            state="paused" if self._paused else "playing" if playing else "silent",
            turn=turn,
            played_s=round(heard, 4),
            queued_s=round(queued, 4),
        )

    def wait(self, call: Call, *, ahead_s: float) -> bool:
        """Until at most so much waits; False: it took too long, or nobody wants to know any more."""
        end = time.monotonic() + _TAKEN_WITHIN_S
        with self.changed:
            while self._queued > ahead_s * self.rate * _SAMPLE:
                if call.cancelled or (left := end - time.monotonic()) <= 0:
                    return False
                self.changed.wait(min(left, 0.5))
            return True

    def wait_heard(self, call: Call) -> bool:
        """Until nothing waits and the last of it is in the air."""
        if not self.wait(call, ahead_s=0.0):
            return False
        with self.changed:
            left = max((block.at + block.seconds for block in self._blocks), default=0.0) - time.monotonic()
        if left > 0:
            time.sleep(min(left, 1.0))
        return True


class Loudspeaker(ABC):
    """The half of the port that plays, over a `Playout`; adapters open what takes from it."""

    concurrency = 6

    def __init__(self) -> None:
        self._playout = Playout()

    @abstractmethod
    def _open_output(self, sample_rate: int) -> None:
        """Have something take from the playout at this rate; called again before every piece, so usually nothing."""

    def play(self, call: Call, turn: str, pcm: bytes, sample_rate: int) -> None:
        if sample_rate != self._playout.rate:
            self._playout.wait_heard(call)
        self._open_output(sample_rate)
        self._playout.rate = sample_rate
        self._playout.put(turn, pcm)
        self._playout.wait(call, ahead_s=AHEAD_S)

    def finish(self, call: Call) -> bool:
        return self._playout.wait_heard(call)

    def silence(self, call: Call) -> Position:
        return self._playout.forget()

    def pause(self, call: Call) -> Position:
        return self._playout.hold()

    def resume(self, call: Call) -> Position:
        return self._playout.go_on()

    def loudness(self, call: Call, volume: float) -> None:
        self._playout.set_volume(volume)

    def position(self, call: Call) -> Position:
        return self._playout.place()


def scaled(pcm: bytes, volume: float) -> bytes:
    import numpy as np  # only where somebody wants it softer: half of a small child's memory

    return bytes((np.frombuffer(pcm, "<i2") * volume).astype("<i2").tobytes())
