"""How long to wait in a silence, learnt from this speaker's own pauses. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_WEIGHT = 0.2
"""Of the newest pause in the moving averages: some ten pauses are remembered."""
_SPREAD = 2.0
"""Deviations above the usual pause that are waited: about one pause in twenty is longer."""
_QUIET_UTTERANCE = 0.5
"""An utterance without a pause pulls the usual pause down by half as much as a pause would pull it."""


@dataclass(frozen=True, slots=True)
class WaitBounds:
    """Milliseconds of silence, from the last speech sample."""

    first: float
    """Before anything was learnt."""
    least: float
    most: float


class LearntWait:
    """Mean and mean deviation of pauses, as TCP keeps them of round trips (RFC 6298, with other weights)."""

    def __init__(self, bounds: WaitBounds) -> None:
        self._bounds = bounds
        self._deviation = bounds.first / 4
        self._mean = bounds.first - _SPREAD * self._deviation

    @property
    def ms(self) -> float:
        """Silence after which a turn is taken for finished."""
        return min(max(self._mean + _SPREAD * self._deviation, self._bounds.least), self._bounds.most)

    def paused(self, silence_ms: float) -> None:
        """The speaker went on after so much silence."""
        self._learn(silence_ms, _WEIGHT)

    def cut_off(self, silence_ms: float) -> None:
        """They were taken for finished and were not: that must not happen twice in a row."""
        self._learn(silence_ms, 2 * _WEIGHT)
        self._mean = max(self._mean, silence_ms - _SPREAD * self._deviation)

    def fluent(self) -> None:
        """A whole utterance without a pause."""
        self._learn(self._bounds.least / 2, _WEIGHT * _QUIET_UTTERANCE)

    def _learn(self, silence_ms: float, weight: float) -> None:
        silence_ms = min(silence_ms, self._bounds.most)
        self._deviation += weight * (abs(silence_ms - self._mean) - self._deviation)
        self._mean += weight * (silence_ms - self._mean)
