"""Text to speech by a Wyoming server, such as wyoming-piper, on this machine or another."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from wyoming.info import TtsVoice
from wyoming.tts import Synthesize, SynthesizeVoice

from services.formats.wyoming.calling import Server, ServerRefused
from services.formats.wyoming.sounds import Form
from services.tts.adapters.pieces import sayable, sentences
from solo.isolation.call import Call
from solo.isolation.engine import EngineError

_AUDIBLE = 327
"""-40 dB of full scale, from which a sample can be heard."""
_LEAD_IN_S = 0.005
_SLOWEST, _FASTEST = 0.25, 4.0
_DESCRIBE_S = 5.0
_SENTENCE_S = 30.0
_WARM_UP = "Sure, I can do that."


class WyomingTTS:
    """`server`: where it is, as tcp://host:port. `voice`: its name there; None = the server's own choice.

    The rest as in the port; `threads` is the server's business. The protocol knows no speed: sound is made shorter or
    longer here, at the same pitch.
    """

    def __init__(self, server: str, voice: str | None = None, threads: int = 1, speed: float = 1.0) -> None:
        self._server = Server(server)
        self._voice = voice
        self._speed = speed
        self._rate = 0

    def load(self) -> dict[str, Any]:
        """Raises `ServerAway`, or `ServerRefused` when it does not speak. Its sample rate shows when it has spoken."""
        if not _SLOWEST <= self._speed <= _FASTEST:
            raise EngineError(f"The speed is {self._speed}.", hint=f"Set it from {_SLOWEST} to {_FASTEST}.")
        self._server.confine()
        programs = self._server.describe(_DESCRIBE_S).tts
        if not programs:
            raise ServerRefused(f"{self._server.place} speaks nothing", hint="Is it a Wyoming server for speech?")
        voices: list[TtsVoice] = [voice for voice in programs[0].voices if self._voice in {None, voice.name}]
        if not voices:
            names = ", ".join(voice.name for voice in programs[0].voices[:10])
            raise ServerRefused(f"{self._server.place} has no voice {self._voice}", hint=f"It has {names}.")
        installed = [voice for voice in voices if voice.installed]
        if not list(self._spoken(Call(), _WARM_UP)):
            raise ServerRefused(f"{self._server.place} made no sound")
        return {
            "engine": f"wyoming {programs[0].name}",
            # Servers list what they could fetch, and do not say which voice is theirs.
            "model": self._voice or (str(installed[0].name) if len(installed) == 1 else "the server's own"),
            "sample_rate": self._rate,
        }

    def synthesize(self, call: Call, text: str, speed: float = 1.0) -> Iterator[bytes]:
        """As the port says, one piece a sentence."""
        first = True
        for sentence in sentences(sayable(text)):
            if call.cancelled:
                return
            sound = b"".join(self._spoken(call, sentence))
            if call.cancelled:
                return
            if first:
                sound = _from_first_audible(sound, self._rate)
            if speed * self._speed != 1.0:
                sound = _paced(sound, self._rate, speed * self._speed)
            if sound:
                first = False
                yield sound

    def _spoken(self, call: Call, sentence: str) -> Iterator[bytes]:
        """The server's sound of it, s16le mono at the rate that it began with."""
        voice = SynthesizeVoice(name=self._voice) if self._voice is not None else None
        with self._server.calling(_SENTENCE_S) as caller:
            caller.send(Synthesize(text=sentence, voice=voice).event())
            form: Form | None = None
            while not call.cancelled:
                event = caller.next()
                if event is None:
                    continue
                if event.type == "audio-start":
                    form = Form.of(event)
                    self._rate = self._rate or form.rate
                elif event.type == "audio-chunk":
                    form = Form.of(event, form)
                    if (form.rate, form.width, form.channels) != (self._rate, 2, 1):
                        raise ServerRefused(f"{self._server.place} changed to {form.rate} Hz, {form.channels} channels")
                    yield event.payload or b""
                elif event.type == "audio-stop":
                    return


def _from_first_audible(pcm: bytes, rate: int) -> bytes:
    """Without its leading near-silence."""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    audible = next((at for at, sample in enumerate(samples) if abs(sample) >= _AUDIBLE), None)
    if audible is None:
        return b""
    return samples[max(0, audible - round(_LEAD_IN_S * rate)) :].tobytes()


def _paced(pcm: bytes, rate: int, speed: float) -> bytes:
    """The same speech in another time, by FFmpeg's atempo, which takes a half at a time when it makes it longer."""
    import av
    import numpy as np

    graph: Any = av.filter.Graph()
    chain = [
        graph.add("abuffer", sample_rate=str(rate), sample_fmt="s16", channel_layout="mono", time_base=f"1/{rate}")
    ]
    while speed < 0.5:
        chain.append(graph.add("atempo", "0.5"))
        speed /= 0.5
    chain += [graph.add("atempo", f"{speed:.4f}"), graph.add("abuffersink")]
    graph.link_nodes(*chain).configure()
    frame: Any = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    chain[0].push(frame)
    chain[0].push(None)
    found = []
    while True:
        try:
            found.append(chain[-1].pull().to_ndarray()[0].astype("<i2").tobytes())
        except (av.error.BlockingIOError, av.error.EOFError):
            return b"".join(found)
