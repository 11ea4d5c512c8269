"""Embedders that are slow or die: they run in a child like real ones."""

from __future__ import annotations

import os
import time
from typing import Any

from services.memory.adapters.fake import FakeEmbedder
from solo.isolation.call import Call


class SlowEmbedder:
    """Takes a moment for whatever is a passage, and another name and dimensions than the fake."""

    def __init__(self, **_: Any) -> None:
        self._fake = FakeEmbedder(dimensions=32)

    def load(self) -> dict[str, Any]:
        return self._fake.load() | {"model": "slow"}

    def embed(self, call: Call, texts: list[str]) -> bytes:
        if any("key" in text for text in texts):
            time.sleep(2.0)
        return self._fake.embed(call, texts)


class FragileEmbedder(SlowEmbedder):
    """Ends its process over the word `poison`."""

    def embed(self, call: Call, texts: list[str]) -> bytes:
        if any("poison" in text for text in texts):
            os._exit(3)
        return self._fake.embed(call, texts)
