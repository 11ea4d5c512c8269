"""A turn model without a model: who falls silent has finished."""

from __future__ import annotations

from array import array
from typing import Any

from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput

_TAIL = 1600
"""Samples: 0.1 s."""
_QUIET = 300


class FakeTurnModel:
    """Options as in the port, all unused. Sure when the last 0.1 s is quiet, and unsure when it is not."""

    def __init__(self, model: str | None = None, threads: int = 1) -> None:
        return

    def load(self) -> dict[str, Any]:
        return {"engine": "fake", "model": "quiet means finished"}

    def judge(self, call: Call, pcm: bytes) -> float:
        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        tail = array("h", pcm)[-_TAIL:]
        return 0.1 if any(abs(sample) > _QUIET for sample in tail) else 0.9
