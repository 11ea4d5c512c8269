"""Wake words by microWakeWord: quantised streaming models made for microcontrollers, the cheapest to keep running."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.wake.adapters.hearing import Hearing, Sensitivity, choose, threshold
from services.wake.adapters.tflite import require_model
from services.wake.engine import Detection
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt

if TYPE_CHECKING:
    from pymicro_wakeword import MicroWakeWord as Detector
    from pymicro_wakeword import MicroWakeWordFeatures

STEP_SAMPLES = 160
"""The features' hop, 10 ms; the models look at three of them at a time."""


class MicroWakeWord:
    """Options: `words` (None = all bundled), `sensitivity`, `sensitivities`, `model_dir` with more
    `<word>.json` + `.tflite` pairs.

    The engine computes in the calling thread alone, so `threads` changes nothing.
    """

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
        self._model_dir = model_dir

    def load(self) -> dict[str, Any]:
        """Raises `ModelMissing` or `ModelCorrupt`."""
        import pymicro_wakeword

        sensitivity = Sensitivity(self._sensitivity, self._sensitivities)
        bundled = Path(pymicro_wakeword.__file__).parent / "models"
        available = {model.value: bundled / f"{model.value}.json" for model in pymicro_wakeword.Model}
        if self._model_dir:
            available |= {path.stem: path for path in sorted(Path(self._model_dir).glob("*.json"))}
        configs = choose(self._words, available)
        for path in configs.values():
            _require_config(path)

        def open_ear() -> _Ear:
            # An interpreter holds its model's streaming state and cannot give it away: one for each word and session.
            detectors = {}
            for word, path in configs.items():
                detector = pymicro_wakeword.MicroWakeWord.from_config(path)
                detector.probability_cutoff = threshold(detector.probability_cutoff, sensitivity.of(word))
                detectors[word] = detector
            return _Ear(pymicro_wakeword.MicroWakeWordFeatures(), detectors)

        self._hearing = Hearing(open_ear, STEP_SAMPLES)
        return {
            "engine": f"pymicro-wakeword {metadata.version('pymicro-wakeword')}",
            "model": "microWakeWord",
            "words": list(configs),
        }

    def feed(self, call: Call, session: str, pcm: bytes) -> list[Detection]:
        return self._hearing.feed(call, session, pcm)

    def close(self, call: Call, session: str) -> None:
        self._hearing.close(session)


class _Ear:
    def __init__(self, features: MicroWakeWordFeatures, detectors: dict[str, Detector]) -> None:
        self._features = features
        self._detectors = detectors

    def hear(self, block: bytes) -> Iterator[str]:
        for features in self._features.process_streaming(block):
            for word, detector in self._detectors.items():
                if detector.process_streaming(features):
                    # Otherwise the averaged score stays above the cutoff for a while.
                    detector.reset()
                    yield word


def _require_config(path: Path) -> None:
    """Raises `ModelMissing` or `ModelCorrupt` unless this is a microWakeWord description with its model beside it."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model = path.parent / config["model"]
        cutoff = config["micro"]["probability_cutoff"]
        window = config["micro"]["sliding_window_size"]
        sound = bool(config["wake_word"]) and 0 < cutoff < 1 and window > 0
    except (ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(f"{path} does not describe a microWakeWord model: {error!r}", hint=_HINT) from error
    if not sound:
        raise ModelCorrupt(f"{path} has a cutoff or window that cannot be", hint=_HINT)
    require_model(model)


_HINT = "It needs wake_word, model, micro.probability_cutoff (0 to 1) and micro.sliding_window_size."
