"""A simulated room: what a loudspeaker says comes back to the microphone late, bent and many times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Sound = NDArray[np.float64]


def echo(
    played: Sound, delay_ms: float, *, level: float = 0.5, drive: float = 1.5, decay_s: float = 0.25, seed: int = 3
) -> Sound:
    """Samples of -1..1. `drive`: how far the loudspeaker is overdriven (tanh); `decay_s`: to a thousandth."""
    rng = np.random.default_rng(seed)
    samples = int(decay_s * RATE)
    answer = rng.normal(0, 0.25, samples) * 10 ** (-3 * np.arange(samples) / samples)
    answer *= rng.random(samples) < 0.08  # reflections are few
    answer[0] = 1.0
    bent = np.tanh(drive * played) / drive
    heard = np.zeros_like(bent)
    late = int(delay_ms * RATE / 1000)
    for at in np.flatnonzero(answer):
        heard[at + late :] += answer[at] * bent[: len(bent) - at - late]
    return level * heard


def power_db(sound: Sound) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))
