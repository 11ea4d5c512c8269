"""Engines of the memory that wait, die or give up: they run in a child like real ones."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from services.memory.adapters.fake import FakeEmbedder
from solo.isolation.call import Call


class GatedEmbedder:
    """Waits with passages on keys until the file `model` is there; another name and dimensions than the fake."""

    def __init__(self, model: str | None = None, **_: Any) -> None:
        self._gate = None if model is None else Path(model)
        self._fake = FakeEmbedder(dimensions=32)

    def load(self) -> dict[str, Any]:
        return self._fake.load() | {"model": "gated"}

    def embed(self, call: Call, texts: list[str]) -> bytes:
        if any("key lies" in text for text in texts):
            while self._gate is not None and not self._gate.exists() and not call.cancelled:
                time.sleep(0.01)
        return self._fake.embed(call, texts)


class FragileEmbedder(GatedEmbedder):
    """Ends its process over the word `poison`."""

    def embed(self, call: Call, texts: list[str]) -> bytes:
        if any("poison" in text for text in texts):
            os._exit(3)
        return self._fake.embed(call, texts)


class HastyReranker:
    """Sees that it is too late before the daemon does."""

    def load(self) -> dict[str, Any]:
        return {"engine": "fake", "model": "hasty"}

    def rerank(self, call: Call, query: str, texts: list[str]) -> list[float]:
        return []
