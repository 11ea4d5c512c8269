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
        self._dismissed = False
        self._engine: asyncio.Future[EngineProcess] = asyncio.get_running_loop().create_future()

    @property
    def awake(self) -> EngineProcess | None:
        """None while it sleeps."""
        if not self._engine.done() or self._engine.cancelled() or self._engine.exception() is not None:
            return None
        return self._engine.result()

    def state(self) -> EngineState | None:
        """None while it sleeps."""
        return None if self.awake is None else self.awake.state()

    @asynccontextmanager
    async def using(self) -> AsyncIterator[EngineProcess]:
        """Started when it was not. Raises what kept it from starting."""
        self._users += 1
        self._wanted.set()
        try:
            engine = await asyncio.shield(self._engine)
            try:
                yield engine
            except EngineDied:
                self._ended(engine)  # its owner sees that a moment later
                raise
        finally:
            self._users -= 1
            self._left.set()

    def dismiss(self) -> None:
        """End it as soon as nobody uses it; whoever wants it later starts it again."""
        if self.state() is not None:
            self._dismissed = True
            self._wanted.set()

    async def run(self) -> None:
        """Owns the process; until cancelled."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while not task.cancelling():  # a cancellation in the middle of a death is lost in its group
                await self._wanted.wait()
                await self._live()
            raise asyncio.CancelledError
        finally:
            if not self._engine.done():
                self._refuse(EngineNotStarted("it is not wanted any more"))

    async def _live(self) -> None:
        """One process from its start to its end."""
        engine: EngineProcess | None = None
        self._dismissed = False
        try:
            async with EngineProcess(self._spec).running() as engine:
                self._engine.set_result(engine)
                await self._until_idle()
                self._ended(engine)  # whoever comes from now on waits for the next one
        except* SoloError as group:
            if engine is None:
                self._refuse(_first(group))
                self._renew()
            else:
                self._ended(engine)
            if engine is None or not self._users:
                self._wanted.clear()

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
            if self._dismissed:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s):
                    await self._wanted.wait()
                    continue
            if not self._users:
                return

    def _ended(self, engine: EngineProcess) -> None:
        if self._engine.done() and self._engine.exception() is None and self._engine.result() is engine:
            self._renew()

    def _refuse(self, error: BaseException) -> None:
        self._engine.set_exception(error)
        self._engine.exception()  # nobody may have waited

    def _renew(self) -> None:
        self._engine = asyncio.get_running_loop().create_future()


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
