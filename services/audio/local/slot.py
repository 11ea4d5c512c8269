"""The device that is open now, for those who outlive it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from solo.isolation.process import EngineProcess


@dataclass(slots=True)
class DeviceSlot:
    """Holds at most one engine; whoever needs one waits for the next."""

    engine: EngineProcess | None = None
    info: dict[str, Any] = field(default_factory=dict)
    """What the last one said of itself."""
    empty_since: float = field(default_factory=time.monotonic)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def holding(self, engine: EngineProcess) -> Iterator[None]:
        self.engine, self.info = engine, dict(engine.info)
        self._tell()
        try:
            yield
        finally:
            self.engine, self.empty_since = None, time.monotonic()
            self._tell()

    async def filled(self) -> EngineProcess:
        while self.engine is None:
            await self._changed.wait()
        return self.engine

    async def other_than(self, gone: EngineProcess | None) -> EngineProcess:
        """One that is not this one, which has died, whether or not that has been noticed here."""
        while self.engine is None or self.engine is gone:
            await self._changed.wait()
        return self.engine

    async def empty_for(self, seconds: float) -> None:
        """Returns when there has been none for so long."""
        while True:
            if self.engine is not None:
                await self._changed.wait()
                continue
            left = self.empty_since + seconds - time.monotonic()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
