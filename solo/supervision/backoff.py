"""How long to wait before the next start."""

from __future__ import annotations

import random

FIRST_S = 0.2
MOST_S = 30.0
JITTER = 0.2
"""Share by which a delay varies, so that children that died together do not start together."""


def delay(crashes: int, *, rng: random.Random) -> float:
    """Seconds before the start after the n-th crash in a row (n from 1): 0.2 s doubling to 30 s, jittered."""
    if crashes < 1:
        return 0.0
    plain = min(MOST_S, FIRST_S * 2.0 ** min(crashes - 1, 32))
    return min(MOST_S, plain * (1.0 + rng.uniform(-JITTER, JITTER)))
