"""PortAudio without a sound card: streams whose callbacks are called in real time by threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class PortAudioError(Exception):
    pass


class Stream:
    def __init__(self, vendor: PortAudio, kind: str, **options: Any) -> None:
        self._vendor = vendor
        self.kind = kind
        self.device = options["device"]
        self.rate = options["samplerate"]
        self.block = options.get("blocksize") or round(self.rate * 0.01)
        self._callback: Callable[..., None] = options["callback"]
        if self.rate not in vendor.devices[self.device]["rates"] or vendor.devices[self.device].get("broken"):
            raise PortAudioError("Invalid sample rate or device")
        self.active = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.active = True
        self._thread.start()

    def close(self) -> None:
        self.active = False

    def _run(self) -> None:
        due = time.monotonic()
        vendor = self._vendor
        while self.active:
            if self.device in vendor.unplugged:
                time.sleep(0.005)
                continue
            flags = SimpleNamespace(input_overflow=vendor.overflow, output_underflow=False)
            times = SimpleNamespace(currentTime=due, outputBufferDacTime=due + vendor.latency_s)
            if self.kind == "input":
                self._callback(vendor.sound(self.block), self.block, times, flags)
            else:
                data = bytearray(self.block * 2)
                self._callback(memoryview(data), self.block, times, flags)
                vendor.heard += data
            due += self.block / self.rate
            time.sleep(max(0.0, due - time.monotonic()))


class PortAudio:
    """What the adapter uses of the module `sounddevice`; `devices` by number, the first of each kind is the default."""

    PortAudioError = PortAudioError

    def __init__(self, latency_s: float = 0.0) -> None:
        self.devices: dict[int, dict[str, Any]] = {
            0: {"name": "desk microphone", "kind": "input", "rates": (16_000, 48_000)},
            1: {"name": "desk loudspeaker", "kind": "output", "rates": (16_000, 22_050, 48_000)},
            2: {"name": "spare microphone", "kind": "input", "rates": (48_000,)},
        }
        self.latency_s = latency_s
        self.unplugged: set[int] = set()
        self.overflow = False
        self.heard = bytearray()
        self.sound: Callable[[int], bytes] = lambda samples: b"\x01\x00\xff\xff" * (samples // 2)
        self.streams: list[Stream] = []

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        found = [
            {
                "index": number,
                "name": about["name"],
                "max_input_channels": int(about["kind"] == "input"),
                "max_output_channels": int(about["kind"] == "output"),
                "default_samplerate": 48_000.0,
            }
            for number, about in self.devices.items()
        ]
        if kind is None:
            return found
        for each in found:
            if each[f"max_{kind}_channels"] and device in (None, each["index"], each["name"]):
                return each
        raise ValueError(f"no {kind} device {device}")

    def RawInputStream(self, **options: Any) -> Stream:
        return self._open("input", options)

    def RawOutputStream(self, **options: Any) -> Stream:
        return self._open("output", options)

    def check_input_settings(self, *, device: int, samplerate: float, **_: Any) -> None:
        if samplerate not in self.devices[device]["rates"] or self.devices[device].get("broken"):
            raise PortAudioError

    check_output_settings = check_input_settings

    def _open(self, kind: str, options: dict[str, Any]) -> Stream:
        stream = Stream(self, kind, **options)
        self.streams.append(stream)
        return stream
