"""A sound device without sound, whose misfortunes are written into a file while it runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.audio.adapters.simulated import SimulatedLoudspeaker
from services.audio.device import Figures, NoSoundDevice
from solo.isolation.call import Call
from solo.sound import read_pcm

_FRAME_BYTES = 1280
_FRAME_S = 0.04
_QUIET = b"\x01\x00\xff\xff" * (_FRAME_BYTES // 4)
"""A quiet room: no microphone that works says exactly nothing."""
_REMEMBERED = 60 * 48_000 * 2

Script = dict[str, Any]


class FakeDevice(SimulatedLoudspeaker):
    """Options: `microphone`, `loudspeaker` (wanted names), `avoid`, `missing` (no device at all), and `script`: a JSON
    file, read again whenever it changes, with any of

    `inputs`, `outputs`: names of the devices that are there (otherwise `desk` each); `fault`: what happens to inputs
    by name: `stall`, `zeros`, `junk` (no sound but something else), `die` (the process ends); `drift_ppm` of the
    microphone's clock; `xruns`: how many there have been; `say`: a WAV file to be heard once, from when it is named.
    """

    def __init__(
        self,
        missing: bool = False,
        script: str | None = None,
        microphone: str | None = None,
        loudspeaker: str | None = None,
        avoid: str = "",
    ) -> None:
        super().__init__()
        self._avoid = avoid
        self._script = Misfortunes(script, missing)
        self._wanted = (microphone, loudspeaker)
        self._input = self._output = ""
        self._received = 0
        self._still = 0
        self.heard = bytearray()
        """What its loudspeaker has played, the last minute and more."""

    def load(self) -> dict[str, Any]:
        found = self._script.read()
        inputs, outputs = found["inputs"], found["outputs"]
        self._input, fallback_input = _take(self._wanted[0], inputs, self._avoid)
        self._output, fallback_output = _take(self._wanted[1], outputs)
        if not self._input and not self._output:
            raise NoSoundDevice(hint="Connect one.")
        return {
            "engine": "fake",
            "model": "silence",
            "input": self._input,
            "output": self._output,
            "fallback_input": fallback_input,
            "fallback_output": fallback_output,
            "echo": "none",
        }

    def capture(self, call: Call) -> Iterator[Any]:
        due = time.monotonic()
        said, rest = "", b""
        while not call.cancelled:
            found = self._script.read()
            fault = found["fault"].get(self._input, "")
            if fault == "die":
                os._exit(9)
            if found["say"] != said:
                said = found["say"]
                rest = read_pcm(Path(said)) if said else b""
            if self._input in found["inputs"] and fault != "stall":
                frame, rest = rest[:_FRAME_BYTES] or _QUIET, rest[_FRAME_BYTES:]
                if fault == "zeros":
                    frame = bytes(_FRAME_BYTES)
                self._still = self._still + 1 if fault == "zeros" else 0
                self._received += _FRAME_BYTES // 2
                yield {"not": "sound"} if fault == "junk" else frame.ljust(_FRAME_BYTES, b"\0")
            due += _FRAME_S / (1 + found["drift_ppm"] / 1e6)
            time.sleep(max(0.0, due - time.monotonic()))

    def _open_output(self, sample_rate: int) -> None:
        if self._output not in self._script.read()["outputs"]:
            raise NoSoundDevice("the loudspeaker is gone", hint="Connect it again.")
        super()._open_output(sample_rate)

    def _aired(self, pcm: bytes, sample_rate: int) -> None:
        self.heard += pcm
        if len(self.heard) > 2 * _REMEMBERED:
            del self.heard[:_REMEMBERED]

    def figures(self, call: Call) -> Figures:
        found = self._script.read()
        return Figures(
            received=self._received,
            lost=0,
            xruns_in=found["xruns"],
            xruns_out=0,
            still_s=self._still * _FRAME_S,
            output=self._output in found["outputs"],
        )


class FakeLook:
    """What `FakeDevice` with the same options would find now."""

    def __init__(
        self,
        missing: bool = False,
        script: str | None = None,
        microphone: str | None = None,
        loudspeaker: str | None = None,
    ) -> None:
        self._script = Misfortunes(script, missing)
        self._wanted = (microphone, loudspeaker)

    def load(self) -> dict[str, Any]:
        found = self._script.read()
        answer: dict[str, Any] = {"engine": "fake", "model": "look"}
        for kind, wanted in zip(("input", "output"), self._wanted, strict=True):
            name, fallback = _take(wanted, found[f"{kind}s"])
            answer |= {kind: bool(name), f"wanted_{kind}": bool(name) and not fallback}
        return answer


class Misfortunes:
    """The file, read again when it has changed; half a file counts as none yet."""

    def __init__(self, path: str | None, missing: bool) -> None:
        self._path = None if path is None else Path(path)
        there: list[str] = [] if missing else ["desk"]
        self._plain: Script = {"inputs": there, "outputs": there, "fault": {}, "drift_ppm": 0, "xruns": 0, "say": ""}
        self._now = self._plain
        self._stamp = 0

    def read(self) -> Script:
        if self._path is not None:
            try:
                stamp = self._path.stat().st_mtime_ns
                if stamp != self._stamp:
                    self._now = self._plain | json.loads(self._path.read_text(encoding="utf-8"))
                    self._stamp = stamp
            except (OSError, ValueError):
                pass
        return self._now


def _take(wanted: str | None, there: list[str], avoid: str = "") -> tuple[str, bool]:
    """The wanted one (unset: the first), or another, which is then a fallback."""
    if not there:
        return "", False
    first = there[0] if wanted is None else wanted
    name, *_ = sorted(([first] if first in there else []) + there, key=lambda name: bool(avoid) and name == avoid)
    return name, name != first
