"""How loud a voice is: one gain for all that it says, peaks held below full scale, no silence before the first word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Sound = NDArray[float32]

AUDIBLE = 0.01
"""Amplitude, -40 dB of full scale, from which a sample can be heard. Voices begin with about 40 ms far below it."""
_LEAD_IN_S = 0.005
"""Kept before the first audible sample, so that soft consonants are not clipped."""
_FADE_S = 0.002
"""A cut that is faded in does not click."""
_KNEE = 0.8
"""Amplitude from which peaks are pressed together instead of cut."""


def peak(sound: Sound) -> float:
    import numpy as np

    return float(np.abs(sound).max(initial=0.0))


def amplified(sound: Sound, gain: float) -> Sound:
    """`sound` times `gain`; what would pass full scale is pressed softly below it."""
    import numpy as np

    loud = sound * np.float32(gain)
    over = np.abs(loud) > _KNEE
    if over.any():
        room = 1.0 - _KNEE
        pressed = _KNEE + room * np.tanh((np.abs(loud[over]) - _KNEE) / room)
        loud[over] = np.sign(loud[over]) * pressed
    return loud


def from_first_audible(sound: Sound, rate: int) -> Sound:
    """`sound` without its leading near-silence; empty when nothing of it can be heard."""
    import numpy as np

    audible = np.abs(sound) >= AUDIBLE
    if not audible.any():
        return sound[:0]
    start = max(0, int(audible.argmax()) - round(_LEAD_IN_S * rate))
    kept = sound[start:].copy()
    fade = min(len(kept), round(_FADE_S * rate))
    if start:
        kept[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
    return kept


def to_pcm(sound: Sound) -> bytes:
    import numpy as np

    return bytes((np.clip(sound, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
