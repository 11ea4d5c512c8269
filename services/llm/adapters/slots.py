"""Where streams keep what they have evaluated: a few slots of KV cache, and main memory behind them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.llm.adapters.host_cache import HostCache, common

WORTH = 16
"""Tokens that are worth a copy: evaluating so many takes longer than copying any prompt."""

NEAR = 4
"""Tokens of a beginning that are not worth a hole between the slots in use."""


class Memory(Protocol):
    """The runtime's side of it."""

    def forget(self, sequence: int, keep: int) -> int: ...

    def save(self, sequence: int) -> bytearray: ...

    def saved_bytes(self, sequence: int) -> int: ...

    def restore(self, sequence: int, state: bytearray) -> bool: ...


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence of KV cells. What a stream leaves behind stays until another needs the place."""

    number: int
    tokens: list[int] = field(default_factory=list)
    """What is evaluated in it."""
    taken: bool = False
    used: int = 0
    """When it was given back last, as a count."""


class Slots:
    def __init__(self, count: int, memory: Memory, host: HostCache) -> None:
        self._slots = [Slot(number) for number in range(count)]
        self._memory = memory
        self._host = host
        self._clock = itertools.count(1)

    def free(self) -> int:
        return sum(not slot.taken for slot in self._slots)

    def holds(self, tokens: Sequence[int]) -> bool:
        """A free slot has all of it evaluated."""
        want = list(tokens)
        return any(not slot.taken and slot.tokens[: len(want)] == want for slot in self._slots)

    def claim(self, tokens: list[int]) -> Slot:
        """A free slot, with as much as can be had of the beginning of `tokens` evaluated in it; there must be one.

        What the slot held is put into main memory when nobody else has it.
        """
        free = [slot for slot in self._slots if not slot.taken]
        slot = self._fitting(free, tokens)
        same = common(slot.tokens, tokens)
        if same < len(tokens):
            slot = self._copied(tokens, same, free) or slot
        keep = common(slot.tokens, tokens)
        # llama.cpp rounds a single token otherwise than one of several: one that is left over is not read alone.
        keep -= keep == len(tokens) - 1 and keep > 0
        if len(slot.tokens) - keep >= WORTH:
            self._put_away(slot)
        self.cut(slot, keep)
        slot.taken = True
        return slot

    def _fitting(self, free: Sequence[Slot], tokens: list[int]) -> Slot:
        """The one with the longest beginning. Of those nearly as good one beside a slot in use: llama.cpp decodes only
        sequences with numbers in a row together, and a step in two parts takes a third longer. Then the one not used
        for longest."""
        same = {slot.number: common(slot.tokens, tokens) for slot in free}
        best = max(same.values())
        taken = {slot.number for slot in self._slots if slot.taken}

        def rank(slot: Slot) -> tuple[bool, int, int]:
            beside = len(taken & {slot.number - 1, slot.number + 1})
            return same[slot.number] >= (best if best == len(tokens) else best - NEAR), beside, -slot.used

        return max(free, key=rank)

    def give_back(self, slot: Slot) -> None:
        slot.taken = False
        slot.used = next(self._clock)

    def cut(self, slot: Slot, keep: int) -> None:
        """Leave the first `keep` tokens, or what of them the model can."""
        stay = self._memory.forget(slot.number, keep)
        del slot.tokens[stay:]

    def _copied(self, tokens: list[int], same: int, free: Sequence[Slot]) -> Slot | None:
        """The slot not used for longest, with a better beginning copied into it from main memory or from a stream that
        is still going on; None when there is none that is better by enough."""
        others = [slot for slot in self._slots if slot.taken]
        busy = max(others, key=lambda slot: common(slot.tokens, tokens), default=None)
        shared = 0 if busy is None else common(busy.tokens, tokens)
        kept_same, kept = self._host.best(tuple(tokens))
        if max(shared, kept_same) < same + WORTH:
            return None
        slot = min(free, key=lambda slot: slot.used)
        if kept is not None and kept_same >= shared:
            state, evaluated = kept.state, list(kept.tokens)
        else:
            assert busy is not None
            state, evaluated = self._memory.save(busy.number), list(busy.tokens)
        self._put_away(slot)
        slot.tokens = evaluated if self._memory.restore(slot.number, state) else []
        if not slot.tokens:
            self._memory.forget(slot.number, 0)
        return slot

    def _put_away(self, slot: Slot) -> None:
        tokens = tuple(slot.tokens)
        if len(tokens) < WORTH or self._host.covers(tokens) or self._elsewhere(slot):
            return
        if self._host.takes(self._memory.saved_bytes(slot.number)):
            self._host.put(tokens, self._memory.save(slot.number))

    def _elsewhere(self, slot: Slot) -> bool:
        return any(other is not slot and other.tokens[: len(slot.tokens)] == slot.tokens for other in self._slots)
