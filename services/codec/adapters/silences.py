"""Cuts a long sound into pieces where it is quiet, so that no word is cut in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.codec.engine import RATE

if TYPE_CHECKING:
    from numpy import int16
    from numpy.typing import NDArray

    Samples = NDArray[int16]

_FRAME = RATE // 50
"""20 ms."""
_PAUSE = 15
"""Frames over which loudness is averaged: 300 ms, a pause between sentences rather than one inside a word."""
_NEARLY = 1.5
"""Times the quietest moment's loudness that is as good as it: then the later one wins, so that pieces are long."""
_SOFT = 50.0
"""RMS in units of s16le below which all is the same silence."""


def cut_at(samples: Samples, most: int) -> int:
    """Where the first piece ends of `samples`, which are more than `most`: where its second half is quietest."""
    import numpy as np

    start = most // 2
    span = samples[start:most].astype(np.float32)
    frames = span[: len(span) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) <= _PAUSE:
        return most
    power = np.convolve(np.square(frames).mean(axis=1), np.full(_PAUSE, 1 / _PAUSE), mode="valid")
    loudness = np.sqrt(np.maximum(power, 0.0))
    quiet = np.flatnonzero(loudness <= max(_SOFT, float(loudness.min()) * _NEARLY))
    return start + (int(quiet[-1]) + _PAUSE // 2) * _FRAME
