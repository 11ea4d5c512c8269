"""Recognisers that do as they are told, for what the service makes of several."""

from __future__ import annotations

import os
import time
from typing import Any

from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError


class Told:
    """`pcm` is what to do: `die`, `fail`, `doubt`, `silent`, `refuse`, `work` (until the asker leaves)."""

    def __init__(
        self,
        name: str,
        does: tuple[str, ...] = ("doubt", "silent", "fail", "die", "work", "refuse"),
        multilingual: bool = False,
        offers: tuple[str, ...] | None = None,
        loads: bool = True,
    ) -> None:
        """`does`: which orders it obeys; the others it takes for speech."""
        self._name = name
        self._does = does
        self._loads = loads
        self._info = {"engine": name, "model": "stub", "multilingual": multilingual}
        if offers is not None:
            self._info["offers"] = list(offers)

    def load(self) -> dict[str, Any]:
        if not self._loads:
            raise EngineError("cannot load")
        return self._info

    def transcribe(self, call: Call, pcm: bytes, **wishes: Any) -> dict[str, Any]:
        order = pcm.decode()
        found: dict[str, Any] = {"text": f"{self._name} heard", "language": wishes.get("language", "en")}
        found |= {"window_s": 1.0, "attempts": 1}
        match order if order in self._does else "speech":
            case "die":
                os._exit(1)
            case "fail":
                raise EngineError("it failed")
            case "refuse":
                raise BadEngineInput("not this")
            case "doubt":
                found["doubtful"] = True
            case "silent":
                found |= {"text": "", "doubtful": True}
            case "work":
                while not call.cancelled:
                    time.sleep(0.001)
        return found
