"""Microphone and loudspeaker through PortAudio."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

from services.audio.adapters.echo import EchoCanceller
from services.audio.adapters.playout import Loudspeaker
from services.audio.adapters.portaudio import RATE, candidates, library
from services.audio.device import Figures, NoSoundDevice
from solo.isolation.call import Call
from solo.logs import get_logger

_FRAME_S = 0.04
_LOST_AFTER_S = 2.0


class SoundDevice(Loudspeaker):
    """Options: `microphone`, `loudspeaker` (name or number; None: the system's default); `echo` (auto, webrtc, off),
    `noise_suppression`, `auto_gain`; `avoid`: a microphone to take only when there is no other.

    The loudspeaker runs at the sample rate of what is played and is reopened when that changes.
    """

    def __init__(
        self,
        microphone: str | None = None,
        loudspeaker: str | None = None,
        echo: str = "auto",
        noise_suppression: bool = False,
        auto_gain: bool = False,
        avoid: str = "",
    ) -> None:
        super().__init__()
        self._avoid = avoid
        self._microphone = microphone
        self._loudspeaker = loudspeaker
        self._echo = echo
        self._extras = {"noise_suppression": noise_suppression, "auto_gain": auto_gain}
        self._canceller: EchoCanceller | None = None
        self._library: Any = None
        self._frames: queue.Queue[bytes] = queue.Queue(maxsize=50)
        self._to_16k: Callable[[bytes], bytes] | None = None
        self._input_rate = RATE
        self._input: Any = None
        self._output: Any = None
        self._output_rate = 0
        self._counts = {"received": 0, "lost": 0, "xruns_in": 0, "xruns_out": 0, "still": 0}

    def load(self) -> dict[str, Any]:
        self._library = library()
        self._canceller, echo = self._make_canceller()
        microphone, fallback_input = self._open_input()
        loudspeaker, fallback_output = self._find_output()
        if not microphone and not loudspeaker:
            hint = "Connect one, choose it with SOLO_AUDIO__MICROPHONE, or start with --audio none."
            raise NoSoundDevice("no microphone and no loudspeaker can be opened", hint=hint)
        return {
            "engine": "PortAudio",
            "model": microphone or "no microphone",
            "input": microphone,
            "output": loudspeaker,
            "fallback_input": fallback_input,
            "fallback_output": fallback_output,
            "echo": echo,
        }

    def _make_canceller(self) -> tuple[EchoCanceller | None, str]:
        cancel = self._echo != "off"
        if not cancel and not any(self._extras.values()):
            return None, "off"
        try:
            return EchoCanceller(cancel=cancel, **self._extras), "webrtc" if cancel else "off"
        except ImportError as error:
            if self._echo == "webrtc":
                hint = "Set SOLO_AUDIO__ECHO=off, and use headphones or the wake word to interrupt."
                raise NoSoundDevice(f"WebRTC's echo canceller does not run here: {error}", hint=hint) from error
            get_logger().warning("echo is not cancelled", why=str(error))
            return None, "off"

    # -- the microphone --------------------------------------------------------------------------

    def _open_input(self) -> tuple[str, bool]:
        """The first one that opens: its name and whether it is a fallback; an empty name when none does."""
        for number, about, wanted in candidates(self._library, "input", self._microphone, self._avoid):
            for rate in (RATE, int(about["default_samplerate"])):
                try:
                    self._input = self._library.RawInputStream(
                        samplerate=rate,
                        blocksize=round(rate * _FRAME_S),
                        device=number,
                        channels=1,
                        dtype="int16",
                        callback=self._captured,
                    )
                    self._input.start()
                except self._library.PortAudioError:
                    continue
                self._to_16k = None if rate == RATE else _resampler(rate)
                self._input_rate = rate
                return str(about["name"]), not wanted
        return "", False

    def capture(self, call: Call) -> Iterator[bytes]:
        """Ends with an error when the microphone falls silent as a device."""
        while not call.cancelled:
            try:
                pcm = self._frames.get(timeout=_LOST_AFTER_S)
            except queue.Empty:
                raise NoSoundDevice("the microphone delivers nothing any more", hint="Connect it again.") from None
            if self._to_16k is not None:
                pcm = self._to_16k(pcm)
            yield pcm if self._canceller is None else self._canceller.clean(pcm)

    def _captured(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's thread: never wait here."""
        pcm = bytes(data)
        counts = self._counts
        counts["received"] += frames
        counts["xruns_in"] += bool(status.input_overflow)
        counts["still"] = counts["still"] + frames if pcm == pcm[:2] * frames else 0
        try:
            self._frames.put_nowait(pcm)
        except queue.Full:
            counts["lost"] += 1

    def figures(self, call: Call) -> Figures:
        counts = self._counts
        rate = self._input_rate
        return Figures(
            received=round(counts["received"] * RATE / rate),
            lost=counts["lost"],
            xruns_in=counts["xruns_in"],
            xruns_out=counts["xruns_out"],
            still_s=round(counts["still"] / rate, 2),
            output=self._output is None or bool(self._output.active),
        )

    # -- the loudspeaker -------------------------------------------------------------------------

    def _find_output(self) -> tuple[str, bool]:
        """Which one it will be; it is opened when there is something to play, at the rate of that."""
        for _, about, wanted in candidates(self._library, "output", self._loudspeaker):
            return str(about["name"]), not wanted
        return "", False

    def _open_output(self, sample_rate: int) -> None:
        if self._output is not None and self._output_rate == sample_rate and self._output.active:
            return
        if self._output is not None:
            self._output.close()
            self._output = None
        error: Exception | None = None
        for number, _, _ in candidates(self._library, "output", self._loudspeaker):
            try:
                output = self._library.RawOutputStream(
                    samplerate=sample_rate, device=number, channels=1, dtype="int16", callback=self._wanted
                )
                self._output_rate = self._playout.rate = sample_rate
                output.start()
            except self._library.PortAudioError as failure:
                error = failure
                continue
            self._output = output
            return
        hint = "Connect one, or choose it with SOLO_AUDIO__LOUDSPEAKER."
        raise NoSoundDevice(f"no loudspeaker can be opened: {error}", hint=hint)

    def _wanted(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """PortAudio's thread wants the next block; silence when there is nothing to say."""
        delay = max(0.0, times.outputBufferDacTime - times.currentTime)
        block = self._playout.take(len(data), time.monotonic() + delay)
        data[:] = block
        self._counts["xruns_out"] += bool(status.output_underflow)
        if self._canceller is not None:
            self._canceller.reference(block, self._output_rate, delay)


def _resampler(rate: int) -> Callable[[bytes], bytes]:
    """For microphones that cannot do 16 kHz."""
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, RATE, 1, dtype="int16")
    rest = b""

    def convert(pcm: bytes) -> bytes:
        """Whole frames of 10 ms; what is over waits."""
        nonlocal rest
        sound = rest + stream.resample_chunk(np.frombuffer(pcm, "<i2")).astype("<i2").tobytes()
        whole = len(sound) - len(sound) % (RATE // 50)
        rest = sound[whole:]
        return bytes(sound[:whole])

    return convert
