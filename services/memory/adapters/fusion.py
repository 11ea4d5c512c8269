"""Two rankings into one, by reciprocal rank."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

K = 60
"""Of Cormack, Clarke and Buettcher (SIGIR 2009): how much the first places count more than those behind them."""

Key = TypeVar("Key", bound=Hashable)


def fuse(rankings: Sequence[Sequence[Key]], top: int) -> list[Key]:
    """Best first; what stands in several rankings wins. Equal ones stay in the order of the first ranking."""
    scores: dict[Key, float] = defaultdict(float)
    for ranking in rankings:
        for place, key in enumerate(ranking, start=1):
            scores[key] += 1.0 / (K + place)
    return sorted(scores, key=scores.__getitem__, reverse=True)[:top]
