"""Makes room for a model before it is loaded: first come, first served, by unloading what was not used for longest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from services.llm.failures import NoMemory
from services.llm.ledger import Ledger, Need

WAIT_S = 60.0
"""Longest that a load waits for memory which others are using."""
_MIB = 1024**2


class Tenant(Protocol):
    """A model that has memory."""

    @property
    def name(self) -> str: ...

    @property
    def used_at(self) -> float: ...

    @property
    def evictable(self) -> bool:
        """It is idle, not pinned and not the voice's, now."""
        ...

    @property
    def kept(self) -> bool:
        """It is pinned or the voice's: it will not be evictable when it is idle either."""
        ...

    @property
    def leaving(self) -> bool:
        """It is being unloaded: its memory will be free in a moment."""
        ...

    def let_go(self) -> None:
        """Unload it."""
        ...


class Admission:
    def __init__(self, ledger: Ledger, tenants: Callable[[], Iterable[Tenant]]) -> None:
        self.evictions = 0
        self._ledger = ledger
        self._tenants = tenants
        self._turn = asyncio.Lock()  # its waiters are served in the order in which they came
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Memory was given back, or somebody became idle."""
        self._changed.set()

    async def admit(self, name: str, need: Need, *, voice: bool) -> None:
        """Reserve this much, once it is there. The voice's model waits for no other load. Raises NoMemory."""
        try:
            async with asyncio.timeout(WAIT_S):
                if voice:
                    await self._make_room(name, need)
                else:
                    async with self._turn:
                        await self._make_room(name, need)
        except TimeoutError:
            raise self._no_memory(name, need, "others use it") from None

    async def grow(self, name: str, need: Need) -> None:
        """It turned out to need this much: more than was estimated, or less. Raises NoMemory."""
        await self.admit(name, need, voice=True)

    def bytes_of(self, name: str) -> int:
        """Reserved for it."""
        return self._ledger.of(name)

    def release(self, name: str) -> None:
        self._ledger.release(name)
        self.changed()

    async def _make_room(self, name: str, need: Need) -> None:
        while not self._ledger.reserve(name, need):
            self._changed.clear()
            missing = need.total - self._ledger.free_for(name)
            others = [tenant for tenant in self._tenants() if tenant.name != name and self._ledger.of(tenant.name)]
            if sum(self._ledger.of(one.name) for one in others if one.leaving or not one.kept) < missing:
                raise self._no_memory(name, need, "the rest is pinned or kept for the voice")
            missing -= sum(self._ledger.of(one.name) for one in others if one.leaving)
            idle = sorted((one for one in others if one.evictable), key=lambda one: one.used_at)
            # In vain nobody is evicted: not before all that is needed is idle.
            if 0 < missing <= sum(self._ledger.of(one.name) for one in idle):
                for one in idle:
                    if missing <= 0:
                        break
                    missing -= self._ledger.of(one.name)
                    self.evictions += 1
                    one.let_go()
            await self._changed.wait()

    def _no_memory(self, name: str, need: Need, why: str) -> NoMemory:
        return NoMemory(
            f"{name} needs {_mib(need.total)} of memory ({_mib(need.weights)} weights, {_mib(need.kv)} KV cache, "
            f"{_mib(need.host_cache)} host cache), of {_mib(self._ledger.budget)} for all models "
            f"{_mib(max(0, self._ledger.free_for(name)))} are free for it; {why}",
            hint="Unload another model, or raise SOLO_LLM__BUDGET_MB, or lower SOLO_LLM__CONTEXT or SOLO_LLM__SLOTS.",
        )


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f} MiB"
