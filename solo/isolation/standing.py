"""An engine's process that is always there: when it ends it is started afresh, after growing pauses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from solo.errors import SoloError
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import EngineState
from solo.supervision.backoff import delay


class StandingEngine:
    """For a service that goes on without it; one that cannot runs an `EngineProcess` itself, and crashes with it."""

    def __init__(self, spec: EngineSpec, on_change: Callable[[SoloError | None], None]) -> None:
        """`on_change`: hears of every start (None), and why the engine is away."""
        self._spec = spec
        self._on_change = on_change
        self._engine: asyncio.Future[EngineProcess] = asyncio.get_running_loop().create_future()
        self._shown: EngineProcess | None = None

    def state(self) -> EngineState | None:
        """Of the present process, or of the last while the next is not there; None before the first."""
        return None if self._shown is None else self._shown.state()

    @property
    def awake(self) -> EngineProcess | None:
        """None while it is away."""
        if not self._engine.done() or self._engine.exception() is not None:
            return None
        return self._engine.result()

    @asynccontextmanager
    async def using(self) -> AsyncIterator[EngineProcess]:
        """Waits while it is being started for the first time. Raises why it is away."""
        yield await asyncio.shield(self._engine)

    async def run(self) -> None:
        """Owns the process; until cancelled."""
        task = asyncio.current_task()
        assert task is not None
        crashes = 0
        while not task.cancelling():  # a cancellation in the middle of a death is lost in its group
            try:
                async with EngineProcess(self._spec).running() as engine:
                    self._shown = engine
                    crashes = 0
                    self._settle(engine)
                    self._on_change(None)
                    await asyncio.get_running_loop().create_future()
            except* SoloError as group:
                error = _first(group)
                self._settle(error)
                self._on_change(error)
            crashes += 1
            await asyncio.sleep(delay(crashes, rng=random.Random()))
        raise asyncio.CancelledError

    def _settle(self, outcome: EngineProcess | SoloError) -> None:
        """For those who wait, and for those who come from now on."""
        if self._engine.done():
            self._engine = asyncio.get_running_loop().create_future()
        if isinstance(outcome, EngineProcess):
            self._engine.set_result(outcome)
        else:
            self._engine.set_exception(outcome)
            self._engine.exception()  # nobody may wait


def _first(group: BaseException) -> SoloError:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, SoloError)
    return group
