"""A sound device without sound: silence in real time, and a memory of what was played."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from services.audio.device import NoSoundDevice
from solo.isolation.call import Call

_SILENCE = bytes(1280)


class FakeDevice:
    """`missing=True` behaves like a machine without a sound device."""

    concurrency = 3

    def __init__(self, missing: bool = False) -> None:
        self._missing = missing
        self._played = 0

    def load(self) -> dict[str, Any]:
        if self._missing:
            raise NoSoundDevice(hint="Connect one.")
        return {"engine": "fake", "model": "silence"}

    def capture(self, call: Call) -> Iterator[bytes]:
        due = time.monotonic()
        while not call.cancelled:
            yield _SILENCE
            due += 0.04
            time.sleep(max(0.0, due - time.monotonic()))

    def play(self, call: Call, pcm: bytes, sample_rate: int) -> None:
        self._played += len(pcm)

    def finish(self, call: Call) -> None:
        return

    def silence(self, call: Call) -> None:
        self._played = 0
