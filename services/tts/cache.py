"""Sound of clauses that were said before: bounded by bytes, the longest unused goes first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from services.messages.speech import SoundChunk

_PINNED_SHARE = 0.25
"""Of the limit, that sentences kept for good may take."""
_LARGEST_SHARE = 0.125
"""Of the limit, that one clause may take: a long text would drive out all the others."""
_OVERHEAD_BYTES = 512
"""Of an entry beside its sound: key, objects."""


@dataclass(frozen=True, slots=True)
class Clause:
    """What makes one sound different from another."""

    voice: str
    speed: float
    text: str


@dataclass(slots=True)
class _Kept:
    sounds: tuple[SoundChunk, ...]
    size: int
    pinned: bool


class ClauseCache:
    def __init__(self, limit: int) -> None:
        """`limit`: bytes of all; 0 keeps nothing."""
        self._limit = limit
        self._kept: OrderedDict[Clause, _Kept] = OrderedDict()
        self._pinned = 0
        self.size = 0
        """Bytes."""
        self.hits = 0
        self.misses = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, clause: Clause) -> tuple[SoundChunk, ...] | None:
        kept = self._kept.get(clause)
        if kept is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(clause)
        return kept.sounds

    def holds(self, clause: Clause) -> bool:
        """Without counting."""
        return clause in self._kept

    def pin(self, clause: Clause) -> bool:
        """Never evict it. False: it is not there, or too much is pinned already."""
        kept = self._kept.get(clause)
        if kept is None:
            return False
        if not kept.pinned and self._pinned + kept.size <= self._limit * _PINNED_SHARE:
            kept.pinned = True
            self._pinned += kept.size
        return kept.pinned

    def keep(self, clause: Clause, sounds: list[SoundChunk]) -> None:
        """All sound of a clause; one that is too large, or silent, is not kept."""
        size = sum(len(sound.pcm) for sound in sounds) + len(clause.text.encode()) + _OVERHEAD_BYTES
        if clause in self._kept or not sounds or size > self._limit * _LARGEST_SHARE:
            return
        self._kept[clause] = _Kept(tuple(sounds), size, pinned=False)
        self.size += size
        while self.size > self._limit:
            oldest = next(key for key, kept in self._kept.items() if not kept.pinned)
            self.size -= self._kept.pop(oldest).size
            self.evicted += 1

    def figures(self) -> dict[str, int]:
        """For `/status`."""
        return {
            "clauses": len(self._kept),
            "bytes": self.size,
            "hits": self.hits,
            "misses": self.misses,
            "evicted": self.evicted,
        }
