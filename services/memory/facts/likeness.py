"""How alike two vectors, and two sentences, are: exact, without numpy, for the few facts of a person."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from operator import mul

SAME = 0.95
"""Cosine from which two sentences may say the same (all-MiniLM-L6-v2 int8, tests/integration/test_memory_calibration):
`The user likes hiking` and `The user really likes hiking` are above, facts that differ in a word that matters often are
too, which is why `same_meaning` looks at the words as well."""
_WORD = re.compile(r"[\w']+")
_EMPTY_WORDS = frozenset(
    {"the", "a", "an", "very", "really", "so", "too", "also", "and", "is", "are", "to", "of", "in", "user", "their"}
)


def unpacked(vector: bytes) -> Sequence[float]:
    """float32 little-endian to floats."""
    floats = array("f")
    floats.frombytes(vector)
    return floats.tolist()


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Of two vectors of length 1; 0 when they are not of the same embedder's dimensions."""
    return sum(map(mul, one, other)) if len(one) == len(other) else 0.0


def normalised(text: str) -> str:
    """Small letters, single spaces, no marks: what counts as the same words."""
    return " ".join(_WORD.findall(text.lower()))


def same_meaning(one: str, other: str, likeness: float) -> bool:
    """Alike to the embedder, and no word that carries meaning differs in more than its ending: a model of this size
    holds `has a dog called Rex` and `has a dog called Max` for nearly the same."""
    return likeness >= SAME and _stems(one) == _stems(other)


def _stems(text: str) -> frozenset[str]:
    words = (word for word in normalised(text).split() if word not in _EMPTY_WORDS)
    return frozenset(_stem(word) for word in words)


def _stem(word: str) -> str:
    if any(map(str.isdigit, word)):
        return word
    for ending in ("'s", "ies", "ing", "es", "s", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word.removesuffix("e").removesuffix("y")
