"""Evaluated prompts in main memory: what no slot has room for any more, and may well be asked again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

Tokens = tuple[int, ...]


class Kept(NamedTuple):
    tokens: Tokens
    state: bytearray
    """As llama.cpp wrote it."""


def common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many tokens both begin with; two lists, or two tuples."""
    low, high = 0, min(len(one), len(other))
    # Comparing slices runs in C; halving needs a dozen of them for the longest prompt.
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class HostCache:
    """At most `budget` bytes; what was not used for longest goes first. Tokens are compared as tuples."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[Tokens, Kept] = OrderedDict()
        self.bytes = 0
        """Taken now."""
        self.evictions = 0
        """Entries that made room for others, since the start."""

    def __len__(self) -> int:
        return len(self._kept)

    def covers(self, tokens: Tokens) -> bool:
        """All of it is here already, alone or as another's beginning."""
        return any(kept[: len(tokens)] == tokens for kept in self._kept)

    def takes(self, size: int) -> bool:
        """Whether an entry of `size` bytes is worth making."""
        return size <= self._budget

    def put(self, tokens: Tokens, state: bytearray) -> None:
        if not self.takes(len(state)):
            return
        for shorter in [kept for kept in self._kept if tokens[: len(kept)] == kept]:
            self._drop(shorter)
        self._kept[tokens] = Kept(tokens, state)
        self.bytes += len(state)
        while self.bytes > self._budget:
            self._drop(next(iter(self._kept)))
            self.evictions += 1

    def best(self, tokens: Tokens) -> tuple[int, Kept | None]:
        """The entry that has the longest beginning in common with `tokens`, and how long that is; counts as use."""
        found, longest = None, 0
        for kept in self._kept.values():
            if (same := common(kept.tokens, tokens)) > longest:
                found, longest = kept, same
        if found is not None:
            self._kept.move_to_end(found.tokens)
        return longest, found

    def _drop(self, tokens: Tokens) -> None:
        self.bytes -= len(self._kept.pop(tokens).state)
