"""The wake-word adapters under test, with words of theirs as sound."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.wake.adapters.fake import marker
from tests.contract.child import ROOT, Child
from tests.contract.speech import pieces, say, silence

LEAD = silence(0.5)
TAIL = silence(1.0)
OTHER_SPEECH = "The weather in Madrid is sunny today, and the train leaves at nine."
PORCUPINE_DIR = Path(os.environ.get("TEST_PORCUPINE_DIR") or ROOT / ".cache" / "pvporcupine-1.9.5")
WYOMING = "services.wake.adapters.wyoming:WyomingWake"
PORCUPINE = "services.wake.adapters.porcupine:Porcupine"
MICRO = "services.wake.adapters.microwakeword:MicroWakeWord"
OPEN = "services.wake.adapters.openwakeword:OpenWakeWord"


@dataclass(frozen=True)
class Case:
    """An adapter and two of its words, as the sound that it should take for them."""

    adapter: str
    words: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)

    def sound(self, word: str) -> bytes:
        return marker(word) if self.adapter.endswith(("FakeWake", "WyomingWake")) else say(self.words[word])


CASES = {
    "fake": Case("services.wake.adapters.fake:FakeWake", {"hey_jarvis": "", "alexa": ""}),
    "microwakeword": Case(MICRO, {"hey_jarvis": "Hey Jarvis.", "alexa": "Alexa."}),
    "openwakeword": Case(OPEN, {"hey_jarvis": "Hey Jarvis.", "alexa": "Alexa."}),
    "wyoming": Case(WYOMING, {"hey_jarvis": "", "alexa": ""}, {"server": ""}),
    "porcupine": Case(PORCUPINE, {"jarvis": "Jarvis.", "computer": "Computer."}, {"package_dir": str(PORCUPINE_DIR)}),
}


def hear(engine: Child, session: str, pcm: bytes, samples: int = 1600) -> list[tuple[str, int]]:
    """The detections in `pcm`, fed in pieces of `samples`."""
    found = [detection for piece in pieces(pcm, samples) for detection in engine("feed", session, piece)]
    return [(detection["word"], detection["at"]) for detection in found]
