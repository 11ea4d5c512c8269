"""A trial without an engine: every model whose header is in order passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.formats.gguf import check_gguf


class FakeTrial:
    """Options as of `ModelTrial`."""

    def __init__(self, model: str, thorough: bool = False) -> None:
        self._path = Path(model)

    def load(self) -> dict[str, Any]:
        check_gguf(self._path)
        return {"engine": "fake", "model": self._path.stem}
