"""An engine's process that is started when it is needed and ended when it has not been needed for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from solo.errors import SoloError
from solo.isolation.engine import EngineDied, EngineNotStarted
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import EngineState


class OnDemandEngine:
    """Its death ends the calls that were under way, and nothing else: the next one starts it again."""

    def __init__(self, spec: EngineSpec, *, idle_s: float) -> None:
        self._spec = spec
        self._idle_s = idle_s
        self._wanted = asyncio.Event()
        self._left = asyncio.Event()
        self._users = 0
        self._engine: asyncio.Future[EngineProcess] = asyncio.get_running_loop().create_future()

    def state(self) -> EngineState | None:
        """None while it sleeps."""
        if not self._engine.done() or self._engine.cancelled() or self._engine.exception() is not None:
            return None
        return self._engine.result().state()

    @asynccontextmanager
    async def using(self) -> AsyncIterator[EngineProcess]:
        """Started when it was not. Raises what kept it from starting."""
        self._users += 1
        self._wanted.set()
        try:
            yield await asyncio.shield(self._engine)
        finally:
            self._users -= 1
            self._left.set()

    async def run(self) -> None:
        """Owns the process; until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                try:
                    async with EngineProcess(self._spec).running() as engine:
                        self._engine.set_result(engine)
                        await self._until_idle()
                        self._renew()  # whoever comes from now on waits for the next process
                except* SoloError as group:
                    self._failed(group)
        finally:
            if not self._engine.done():
                self._engine.set_exception(EngineNotStarted("it is not wanted any more"))
                self._engine.exception()

    async def unused(self, within: float) -> None:
        """Waits until those who use it have what they asked for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._users:
                    self._left.clear()
                    await self._left.wait()

    async def _until_idle(self) -> None:
        while True:
            while self._users:
                self._left.clear()
                await self._left.wait()
            self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s):
                    await self._wanted.wait()
                    continue
            if not self._users:
                return

    def _failed(self, group: BaseExceptionGroup[SoloError]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not self._engine.done():
            self._engine.set_exception(error)
            self._engine.exception()  # nobody may have waited
        elif not isinstance(error, EngineDied):
            raise error
        self._renew()
        self._wanted.clear()

    def _renew(self) -> None:
        self._engine = asyncio.get_running_loop().create_future()
