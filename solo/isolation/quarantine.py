"""Remembers inputs that ended an engine, so that the same one cannot end it again and again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from solo.isolation.engine import InputQuarantined

DEATHS = 2
"""Deaths in a row with the same input under way before it is refused."""
_MOST = 1024


class Quarantine:
    """Outlives the engine's process: one per engine, made where its specification is."""

    def __init__(self) -> None:
        self._deaths: OrderedDict[str, int] = OrderedDict()

    def admit(self, key: str) -> None:
        """Raises InputQuarantined for an input that has ended the engine twice in a row."""
        if self._deaths.get(key, 0) >= DEATHS:
            raise InputQuarantined(
                f"this input has ended the engine {DEATHS} times in a row",
                hint="Change it, or restart Solo to try it once more.",
            )

    def died(self, key: str) -> None:
        self._deaths[key] = self._deaths.pop(key, 0) + 1
        while len(self._deaths) > _MOST:
            self._deaths.popitem(last=False)

    def survived(self, key: str) -> None:
        self._deaths.pop(key, None)


def key_of(packed: bytes) -> str:
    return hashlib.blake2b(packed, digest_size=16).hexdigest()
