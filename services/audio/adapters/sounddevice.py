"""Microphone and loudspeaker through PortAudio."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from services.audio.device import NoSoundDevice
from solo.isolation.call import Call

_RATE = 16_000
_FRAME = 640
_AHEAD_S = 0.5
_LOST_AFTER_S = 2.0
_TAKEN_WITHIN_S = 25.0


class SoundDevice:
    """Options: `microphone`, `loudspeaker` (name or number; None: the system's default).

    The loudspeaker runs at the sample rate of what is played and is reopened when that changes.
    """

    concurrency = 3

    def __init__(self, microphone: str | None = None, loudspeaker: str | None = None) -> None:
        self._microphone = _device(microphone)
        self._loudspeaker = _device(loudspeaker)
        self._library: Any = None
        self._frames: queue.Queue[bytes] = queue.Queue(maxsize=50)
        self._lost = 0
        self._playing = threading.Condition()
        self._waiting = bytearray()
        self._output: Any = None
        self._output_rate = 0

    def load(self) -> dict[str, Any]:
        try:
            import sounddevice
        except OSError as error:
            hint = "Install it (Debian: libportaudio2), or start with --audio none."
            raise NoSoundDevice("the PortAudio library is missing", hint=hint) from error
        self._library = sounddevice
        try:
            name = sounddevice.query_devices(self._microphone, "input")["name"]
            stream = sounddevice.RawInputStream(
                samplerate=_RATE,
                blocksize=_FRAME,
                device=self._microphone,
                channels=1,
                dtype="int16",
                callback=self._captured,
            )
            stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            hint = "Connect one, choose it with SOLO_AUDIO__MICROPHONE, or start with --audio none."
            raise NoSoundDevice(f"no microphone can be opened: {error}", hint=hint) from error
        self._input = stream
        return {"engine": "PortAudio", "model": str(name)}

    def capture(self, call: Call) -> Iterator[bytes]:
        """Ends with an error when the microphone falls silent as a device: it is then opened afresh."""
        while not call.cancelled:
            try:
                yield self._frames.get(timeout=_LOST_AFTER_S)
            except queue.Empty:
                raise NoSoundDevice("the microphone delivers nothing any more", hint="Connect it again.") from None

    def play(self, call: Call, pcm: bytes, sample_rate: int) -> None:
        with self._playing:
            self._open_output(sample_rate)
            self._waiting += pcm
        self._wait(call, ahead=int(_AHEAD_S * sample_rate) * 2)

    def finish(self, call: Call) -> None:
        self._wait(call, ahead=0)

    def _wait(self, call: Call, *, ahead: int) -> None:
        with self._playing:
            self._playing.wait_for(lambda: call.cancelled or len(self._waiting) <= ahead, timeout=_TAKEN_WITHIN_S)

    def silence(self, call: Call) -> None:
        with self._playing:
            self._waiting.clear()
            self._playing.notify_all()

    def _open_output(self, sample_rate: int) -> None:
        if self._output is not None and self._output_rate == sample_rate:
            return
        if self._output is not None:
            self._output.close()
        try:
            self._output = self._library.RawOutputStream(
                samplerate=sample_rate, device=self._loudspeaker, channels=1, dtype="int16", callback=self._wanted
            )
            self._output.start()
        except self._library.PortAudioError as error:
            hint = "Connect one, or choose it with SOLO_AUDIO__LOUDSPEAKER."
            raise NoSoundDevice(f"no loudspeaker can be opened: {error}", hint=hint) from error
        self._output_rate = sample_rate

    def _captured(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's thread: never wait here."""
        try:
            self._frames.put_nowait(bytes(data))
        except queue.Full:
            self._lost += 1

    def _wanted(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's thread wants the next block; silence when there is nothing to say."""
        with self._playing:
            ready = bytes(self._waiting[: len(data)])
            del self._waiting[: len(ready)]
            self._playing.notify_all()
        data[:] = ready.ljust(len(data), b"\0")


def _device(name: str | None) -> str | int | None:
    return int(name) if name is not None and name.isdigit() else name
