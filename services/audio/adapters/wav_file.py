"""A file in place of a microphone, heard in real time; what would be played is counted and dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.audio.adapters.simulated import SimulatedLoudspeaker
from services.audio.device import Figures
from solo.isolation.call import Call
from solo.sound import read_pcm

_FRAME_BYTES = 1280
_FRAME_S = 0.04


class WavFile(SimulatedLoudspeaker):
    """Options: `path`, `loop` (start again at the end; otherwise silence follows)."""

    def __init__(self, path: str, loop: bool = False) -> None:
        super().__init__()
        self._path = Path(path)
        self._loop = loop
        self._pcm = b""
        self._received = 0

    def load(self) -> dict[str, Any]:
        self._pcm = read_pcm(self._path)
        name = self._path.name
        ends = {"input": name, "output": "nobody", "fallback_input": False, "fallback_output": False}
        return {"engine": "file", "model": name, "echo": "none", **ends}

    def capture(self, call: Call) -> Iterator[bytes]:
        due = time.monotonic()
        offset = 0
        while not call.cancelled:
            frame = self._pcm[offset : offset + _FRAME_BYTES]
            offset += _FRAME_BYTES
            if offset >= len(self._pcm) and self._loop:
                offset = 0
            self._received += _FRAME_BYTES // 2
            yield frame.ljust(_FRAME_BYTES, b"\0")
            due += _FRAME_S
            time.sleep(max(0.0, due - time.monotonic()))

    def figures(self, call: Call) -> Figures:
        """A file may be silent for as long as it likes."""
        return Figures(received=self._received, lost=0, xruns_in=0, xruns_out=0, still_s=0.0, output=True)
