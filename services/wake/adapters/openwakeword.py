"""Wake words by openWakeWord: small classifiers over one shared speech embedding, at several times the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.wake.adapters.hearing import SAMPLE_BYTES, Hearing, Sensitivity, choose, threshold
from services.wake.adapters.tflite import require_model, with_threads
from services.wake.engine import Detection
from solo.isolation.call import Call
from solo.isolation.engine import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP_SAMPLES = 1280
"""80 ms: the hop of the embedding model."""
DEFAULT_THRESHOLD = 0.5
"""The score above which openWakeWord's own programs count a word as heard."""
REARM_STEPS = 6
"""About 0.5 s: while a word leaves the model's window its score dips for up to 0.25 s and rises again."""


class OpenWakeWord:
    """Options: `words` (None = all bundled), `sensitivity`, `sensitivities`, `threads`, `model_dir` with more
    `<word>.tflite` files."""

    def __init__(
        self,
        words: Sequence[str] | None = None,
        sensitivity: float = 0.5,
        threads: int = 1,
        sensitivities: Mapping[str, float] | None = None,
        model_dir: str | None = None,
    ) -> None:
        self._words = words
        self._sensitivity = sensitivity
        self._sensitivities = sensitivities
        self._threads = threads
        self._model_dir = model_dir

    def load(self) -> dict[str, Any]:
        """Raises `ModelMissing`, `ModelCorrupt` or, without the vendor's native library, `EngineError`."""
        import pyopen_wakeword

        sensitivity = Sensitivity(self._sensitivity, self._sensitivities)
        package = Path(pyopen_wakeword.__file__).parent
        library = next((package / "lib").glob("*tensorflowlite_c.*"), None)
        if library is None:
            raise EngineError("pyopen-wakeword has no native library here", hint="Choose the engine microwakeword.")
        bundled = package / "models"
        available = {model.value: bundled / f"{model.value}.tflite" for model in pyopen_wakeword.Model}
        if self._model_dir:
            available |= {path.stem: path for path in sorted(Path(self._model_dir).glob("*.tflite"))}
        models = choose(self._words, available)
        for path in models.values():
            require_model(path)

        features = with_threads(pyopen_wakeword.OpenWakeWordFeatures, self._threads)(
            bundled / "melspectrogram.tflite", bundled / "embedding_model.tflite", library
        )
        new_detector = with_threads(pyopen_wakeword.OpenWakeWord, self._threads)
        detectors = {
            word: new_detector(word, tflite_model=path, libtensorflowlite_c_path=library)
            for word, path in models.items()
        }
        above = {word: threshold(DEFAULT_THRESHOLD, sensitivity.of(word)) for word in models}
        shared = _Engine(features, detectors, above)
        self._hearing = Hearing(shared.open_ear, STEP_SAMPLES)
        return {
            "engine": f"pyopen-wakeword {metadata.version('pyopen-wakeword')}",
            "model": "openWakeWord",
            "words": list(models),
        }

    def feed(self, call: Call, session: str, pcm: bytes) -> list[Detection]:
        return self._hearing.feed(call, session, pcm)

    def close(self, call: Call, session: str) -> None:
        self._hearing.close(session)


@dataclass
class _State:
    """What the vendor's objects remember of the sound so far. The models themselves remember nothing."""

    audio: NDArray[np.float32]
    new_audio_samples: int
    mels: NDArray[np.float32]
    new_mels: int
    embeddings: dict[str, NDArray[np.float32]]
    new_embeddings: dict[str, int]

    def copy(self) -> _State:
        return _State(
            self.audio.copy(),
            self.new_audio_samples,
            self.mels.copy(),
            self.new_mels,
            {word: seen.copy() for word, seen in self.embeddings.items()},
            dict(self.new_embeddings),
        )


class _Engine:
    """One set of interpreters for all sessions, each of which brings its state (0.9 MB) instead of models (5 MB)."""

    def __init__(self, features: Any, detectors: dict[str, Any], above: dict[str, float]) -> None:
        self._features = features
        self._detectors = detectors
        self._above = above
        # The vendor's features begin with 8 s of silence, 0.3 s of work: done once, then every session starts there.
        for _ in self._scores(bytes(STEP_SAMPLES * SAMPLE_BYTES)):
            pass
        self._begin = self._save()

    def open_ear(self) -> _Ear:
        return _Ear(self, self._begin.copy())

    def hear(self, state: _State, block: bytes) -> tuple[_State, set[str]]:
        """The state after `block`, and the words whose score is above the threshold within it."""
        self._restore(state)
        words = {word for word, score in self._scores(block) if score > self._above[word]}
        return self._save(), words

    def _scores(self, block: bytes) -> Iterator[tuple[str, float]]:
        for embeddings in self._features.process_streaming(block):
            for word, detector in self._detectors.items():
                for score in detector.process_streaming(embeddings):
                    yield word, score

    def _restore(self, state: _State) -> None:
        self._features.audio, self._features.new_audio_samples = state.audio, state.new_audio_samples
        self._features.mels, self._features.new_mels = state.mels, state.new_mels
        for word, detector in self._detectors.items():
            detector.embeddings, detector.new_embeddings = state.embeddings[word], state.new_embeddings[word]

    def _save(self) -> _State:
        features, detectors = self._features, self._detectors
        return _State(
            features.audio,
            features.new_audio_samples,
            features.mels,
            features.new_mels,
            {word: detector.embeddings for word, detector in detectors.items()},
            {word: detector.new_embeddings for word, detector in detectors.items()},
        )


class _Ear:
    def __init__(self, engine: _Engine, state: _State) -> None:
        self._engine = engine
        self._state = state
        self._step = 0
        self._last: dict[str, int] = {}
        """The step at which each word's score was last above the threshold."""

    def hear(self, block: bytes) -> Iterator[str]:
        """A score stays high while the word is in the model's window: only its first rise counts."""
        self._state, above = self._engine.hear(self._state, block)
        self._step += 1
        for word in above:
            if self._step - self._last.get(word, -REARM_STEPS - 1) > REARM_STEPS:
                yield word
            self._last[word] = self._step
