"""A file in place of a microphone, heard in real time; what would be played is counted and dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from solo.isolation.call import Call
from solo.sound import read_pcm

_FRAME_BYTES = 1280
_FRAME_S = 0.04


class WavFile:
    """Options: `path`, `loop` (start again at the end; otherwise silence follows)."""

    concurrency = 3

    def __init__(self, path: str, loop: bool = False) -> None:
        self._path = Path(path)
        self._loop = loop
        self._pcm = b""
        self._playing = threading.Condition()
        self._played_until = 0.0

    def load(self) -> dict[str, Any]:
        self._pcm = read_pcm(self._path)
        return {"engine": "file", "model": self._path.name}

    def capture(self, call: Call) -> Iterator[bytes]:
        due = time.monotonic()
        offset = 0
        while not call.cancelled:
            frame = self._pcm[offset : offset + _FRAME_BYTES]
            offset += _FRAME_BYTES
            if offset >= len(self._pcm) and self._loop:
                offset = 0
            yield frame.ljust(_FRAME_BYTES, b"\0")
            due += _FRAME_S
            time.sleep(max(0.0, due - time.monotonic()))

    def play(self, call: Call, pcm: bytes, sample_rate: int) -> None:
        """Keeps the pace of a loudspeaker, so that interruptions behave like with one."""
        with self._playing:
            now = time.monotonic()
            self._played_until = max(now, self._played_until) + len(pcm) / 2 / sample_rate
        self._wait(call, ahead_s=0.5)

    def finish(self, call: Call) -> None:
        self._wait(call, ahead_s=0.0)

    def _wait(self, call: Call, *, ahead_s: float) -> None:
        with self._playing:
            while not call.cancelled and (left := self._played_until - time.monotonic() - ahead_s) > 0:
                self._playing.wait(left)

    def silence(self, call: Call) -> None:
        with self._playing:
            self._played_until = 0.0
            self._playing.notify_all()
