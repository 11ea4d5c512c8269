"""What a hot path needs again and again: kept, and asked for afresh behind its back."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from solo.errors import SoloError

T = TypeVar("T")

FRESH_S = 60.0
"""After this what is kept is still given, but asked for afresh: another process may have changed it."""
MOST = 32
"""Keys kept, the least recently used out first."""


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    at: float
    refreshing: bool = False


class Cache(Generic[T]):
    def __init__(self, load: Callable[[str], Awaitable[T]]) -> None:
        self._load = load
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._changes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> T:
        """Raises what loading raises, the first time; later an older value is better than none."""
        kept = self._kept.get(key)
        if kept is None:
            return await self._fill(key)
        self._kept.move_to_end(key)
        if asyncio.get_running_loop().time() - kept.at > FRESH_S and not kept.refreshing:
            kept.refreshing = True
            # In a context of its own: the asker's deadline is not the refresher's.
            task = asyncio.get_running_loop().create_task(self._refresh(key, kept), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return kept.value

    def forget(self, key: str | None = None) -> None:
        """It has changed; None: all of it may have."""
        self._changes += 1
        if key is None:
            self._kept.clear()
        else:
            self._kept.pop(key, None)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fill(self, key: str) -> T:
        changes = self._changes
        value = await self._load(key)
        if changes == self._changes:  # otherwise it may be older than the change
            self._kept[key] = _Kept(value, asyncio.get_running_loop().time())
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return value

    async def _refresh(self, key: str, kept: _Kept[T]) -> None:
        try:
            await self._fill(key)
        except SoloError:
            kept.at = asyncio.get_running_loop().time()  # tried again after as long
        finally:
            kept.refreshing = False
