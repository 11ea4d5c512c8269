"""Where somebody speaks in a sound, and how it is cut to pieces for an engine that wants speech and little else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 512
"""Samples for each probability: 32 ms."""
RATE = 16_000

_SPEECH = 0.5
_STILL_SPEECH = 0.35
"""Speech that has begun ends below this."""
_BEFORE_S = 0.4
"""Kept in front of speech: soft first sounds are below the detector's threshold."""
_BEHIND_S = 0.3
LONGEST_S = 15.0
"""Of a piece, where there is a pause to cut at."""
SHORTEST_S = 8.0
"""Where there is none, a piece is cut at its quietest moment between this and `LONGEST_S`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Stretches of sound to hear as one, as (first, last + 1) samples; what lies between them is silence."""

    stretches: tuple[tuple[int, int], ...]

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.stretches) / RATE


def speech_s(probabilities: Sequence[float]) -> float:
    """Seconds of speech in all."""
    return sum(end - start for start, end in _spoken(probabilities)) * CHUNK / RATE


def pieces(probabilities: Sequence[float], samples: int) -> list[Piece]:
    """`probabilities`: of speech, for each `CHUNK`; `samples`: length of the sound. Empty when nobody speaks."""
    stretches: list[tuple[int, int]] = []
    for start, end in _padded(_spoken(probabilities), samples):
        stretches += _shorter(start, end, probabilities)
    found: list[Piece] = []
    for stretch in stretches:
        joined = Piece((*found[-1].stretches, stretch)) if found else Piece((stretch,))
        if found and joined.seconds <= LONGEST_S:
            found[-1] = joined
        else:
            found.append(Piece((stretch,)))
    return found


def _spoken(probabilities: Sequence[float]) -> list[tuple[int, int]]:
    """(first, last + 1) chunks of speech."""
    found: list[tuple[int, int]] = []
    began: int | None = None
    for at, probability in enumerate((*probabilities, 0.0)):
        if began is None and probability >= _SPEECH:
            began = at
        elif began is not None and probability < _STILL_SPEECH:
            found.append((began, at))
            began = None
    return found


def _padded(spoken: Sequence[tuple[int, int]], samples: int) -> list[tuple[int, int]]:
    """In samples, with what is kept around them; those that touch then are one."""
    found: list[tuple[int, int]] = []
    for first, last in spoken:
        start = max(0, first * CHUNK - round(_BEFORE_S * RATE))
        end = min(samples, last * CHUNK + round(_BEHIND_S * RATE))
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _shorter(start: int, end: int, probabilities: Sequence[float]) -> list[tuple[int, int]]:
    """A stretch cut where it is quietest, until none is longer than `LONGEST_S`."""
    found = []
    while end - start > LONGEST_S * RATE:
        first = start // CHUNK + round(SHORTEST_S * RATE / CHUNK)
        last = min(start // CHUNK + round(LONGEST_S * RATE / CHUNK), len(probabilities)) - 1
        quietest = min(range(first, last), key=lambda at: sum(probabilities[at - 1 : at + 2]))
        found.append((start, quietest * CHUNK))
        start = quietest * CHUNK
    return [*found, (start, end)]
