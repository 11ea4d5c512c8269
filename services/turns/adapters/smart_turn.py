"""Smart Turn (version 3): a small audio model that hears whether a speaker has finished, under onnxruntime.

Its weights are the user's to bring (`turns.model`), or come with the package pipecat-ai where that is installed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

_RATE = 16_000
_SECONDS = 8
"""The model looks at the last 8 s, padded in front (https://huggingface.co/pipecat-ai/smart-turn-v3)."""
_BANDS = 80
_FRAMES = 800
_EPSILON = 1e-7
"""Added to the variance, as in Whisper's feature extractor."""
_IN_PIPECAT = Path("audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx")


class SmartTurn:
    """The port's model. `model`: an ONNX file; None = the one inside an installed pipecat-ai."""

    def __init__(self, model: str | None = None, threads: int = 1) -> None:
        self._path = model
        self._threads = max(1, threads)
        self._session: Any = None
        self._features: Any = None

    def load(self) -> dict[str, Any]:
        import onnxruntime
        from faster_whisper.feature_extractor import FeatureExtractor

        path = Path(self._path) if self._path is not None else _packaged()
        if not path.is_file():
            raise ModelMissing(f"There is no turn model {path}.", hint=_BRING)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
            self._features = FeatureExtractor(feature_size=_BANDS, chunk_length=_SECONDS)
            self.judge(Call(), bytes(_RATE * 2))
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's errors derive from Exception alone
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelCorrupt(f"The turn model {path} cannot be used: {line}", hint=_BRING) from error
        return {"engine": "smart-turn", "model": path.stem, "threads": self._threads}

    def judge(self, call: Call, pcm: bytes) -> float:
        import numpy as np

        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        sound = np.frombuffer(pcm, dtype="<i2").astype(np.float32)[-_SECONDS * _RATE :] / 32768.0
        padded = np.pad(sound, (_SECONDS * _RATE - len(sound), 0))
        found = self._session.run(None, {"input_features": self._mel(padded)})
        return float(np.asarray(found[0]).reshape(-1)[0])

    def _mel(self, sound: NDArray[float32]) -> NDArray[float32]:
        """(1, bands, frames) of sound with mean 0 and variance 1."""
        import numpy as np

        normal = (sound - sound.mean()) / np.sqrt(sound.var() + _EPSILON)
        mel = self._features(normal, padding=0)[:, :_FRAMES]
        return np.ascontiguousarray(mel[None], dtype=np.float32)


_BRING = "Set turns.model to a Smart Turn v3 file (.onnx), or install pipecat-ai, whose package brings one."


def _packaged() -> Path:
    found = importlib.util.find_spec("pipecat")
    if found is None or not found.submodule_search_locations:
        raise ModelMissing("No turn model is installed.", hint=_BRING)
    return Path(next(iter(found.submodule_search_locations))) / _IN_PIPECAT
