"""The echo canceller in a simulated room: how much echo is left, what it does to speech, what it costs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from services.audio.adapters.echo import EchoCanceller
from solo.isolation.confine import resident_bytes
from tests.bench.sounds import SPOKEN, recorded
from tests.contract.speech import say
from tests.contract.test_echo import cleaned, floats
from tests.room import RATE, Sound, echo, power_db


def measure() -> dict[str, Any]:
    far, near = _speech()
    figures: dict[str, Any] = {"seconds of speech": round(len(far) / RATE, 1)}
    before = resident_bytes()
    EchoCanceller()
    figures["memory of library and one canceller, MiB"] = round((resident_bytes() - before) / 2**20, 1)
    for delay_ms in (20, 60, 120):
        for name, drive in (("linear", 0.01), ("bent", 1.5), ("overdriven", 4.0)):
            heard = echo(far, delay_ms, drive=drive)
            left = cleaned(EchoCanceller(), far, heard, delay_ms)
            first, settled = slice(0, 2 * RATE), slice(5 * RATE, len(left))
            figures[f"ERLE {delay_ms} ms {name}, dB (first 2 s)"] = (
                f"{power_db(heard[settled]) - power_db(left[settled]):.1f}"
                f" ({power_db(heard[first]) - power_db(left[first]):.1f})"
            )
    both = echo(far, 60) + near
    begin = time.process_time()
    left = cleaned(EchoCanceller(), far, both, 60)
    figures["CPU of a second of sound, ms"] = round((time.process_time() - begin) * 1000 / (len(left) / RATE), 1)
    speaking = np.abs(near[: len(left)]) > 0.01
    figures["near speech after double talk, dB"] = round(
        power_db(left[speaking]) - power_db(near[: len(left)][speaking]), 1
    )
    return figures


def _speech() -> tuple[Sound, Sound]:
    """What the loudspeaker says, and what somebody says meanwhile: every other ten seconds, at the same level."""
    found = [sound.astype(np.float64) / 32768 for _, sound in recorded("command-*.wav")]
    found = found or [floats(say(text)) for text in SPOKEN * 2]
    far = np.concatenate(found[: len(found) // 2])
    near = np.resize(np.concatenate(found[len(found) // 2 :]), len(far))
    near[(np.arange(len(far)) // (10 * RATE)) % 2 == 0] = 0.0
    return far / np.abs(far).max() * 0.7, near / np.abs(near).max() * 0.35
