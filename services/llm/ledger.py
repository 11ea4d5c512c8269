"""Counts the memory that models may have, in bytes, reserved before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.messages.pool import Ledger as LedgerState
from services.messages.pool import LedgerEntry


@dataclass(frozen=True, slots=True)
class Need:
    """What a model takes, in bytes."""

    weights: int = 0
    kv: int = 0
    host_cache: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.host_cache


class Ledger:
    """Never gives more than it has. What the voice needs is kept free for it while it is not there."""

    def __init__(self, budget: int, services: Mapping[str, int]) -> None:
        """`services`: bytes that other engines take all the time, by their names."""
        self.budget = budget
        self._services = dict(services)
        self._models: dict[str, Need] = {}
        self._voice = ""
        self._voice_need = Need()

    @property
    def reserved(self) -> int:
        return sum(self._services.values()) + sum(need.total for need in self._models.values())

    def keep_for_voice(self, name: str, need: Need) -> None:
        """This model answers who speaks: nothing else is loaded into what it needs."""
        self._voice = name
        self._voice_need = self._models.get(name, need)

    def free_for(self, name: str) -> int:
        """Bytes that a model could have now; below 0 when the voice's own share is used by others."""
        others = sum(need.total for other, need in self._models.items() if other != name)
        away = self._voice_need.total if self._voice not in self._models and name != self._voice else 0
        return self.budget - sum(self._services.values()) - others - away

    def reserve(self, name: str, need: Need) -> bool:
        """Take this much for a model, instead of what it had. False: it does not fit, and nothing has changed."""
        if need.total > max(self.free_for(name), self.of(name)):
            return False
        self._models[name] = need
        if name == self._voice:
            self._voice_need = need
        return True

    def release(self, name: str) -> None:
        self._models.pop(name, None)

    def of(self, name: str) -> int:
        """Bytes reserved for a model."""
        need = self._models.get(name)
        return 0 if need is None else need.total

    def state(self) -> LedgerState:
        return LedgerState(
            budget_bytes=self.budget,
            reserved_bytes=self.reserved,
            voice_bytes=sum(self._services.values()) + self._voice_need.total,
            entries=tuple(sorted((one for one in self._entries() if one.bytes), key=lambda entry: entry.name)),
        )

    def _entries(self) -> Iterator[LedgerEntry]:
        for name, size in self._services.items():
            yield LedgerEntry(name=name, kind="service", bytes=size)
        for name, need in self._models.items():
            yield LedgerEntry(name=name, kind="weights", bytes=need.weights)
            yield LedgerEntry(name=name, kind="kv", bytes=need.kv)
            yield LedgerEntry(name=name, kind="host_cache", bytes=need.host_cache)
