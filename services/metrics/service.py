"""Records figures of everything that happens, and answers `QueryMetrics` and `DescribeMetrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from services.messages.conversation import TurnFinished
from services.messages.device import DeviceChanged
from services.messages.facts import FactLearnt
from services.messages.invariants import InvariantViolated
from services.messages.memory import MemoryIndexed
from services.messages.metrics import DescribeMetrics, MetricsState, QueryMetrics, Series
from services.messages.pool import PoolChanged, QuestionAnswered
from services.messages.waking import WakeWordConfirmed, WakeWordRejected
from services.metrics.recorder import Recorder
from services.metrics.sources import (
    Sample,
    SystemSource,
    of_change,
    of_confirmed,
    of_device,
    of_drops,
    of_fact,
    of_index,
    of_pool,
    of_question,
    of_rejected,
    of_turn,
    of_violation,
)
from services.metrics.store import MetricsStore
from solo.bus import Event, Overflow
from solo.errors import SoloError
from solo.storage.errors import DatabaseError
from solo.supervision import Context, Describe, ServiceStateChanged
from solo.supervision.messages import MessagesDropped

E = TypeVar("E", bound=Event)

_MAILBOX = 1024
_DESCRIBE_WITHIN_S = 2.0
_QUERY_WITHIN_S = 4.0
_QUERIES = 4
"""Under way at a time: more would take all of the database's connections."""
DRAIN_S = 3.0
"""Longest that the last values may take to be written."""


@dataclass(frozen=True, slots=True)
class MetricsService:
    """Ready also without a database: then figures wait in the recorder."""

    recorder: Recorder
    store: MetricsStore
    every_s: float
    """Seconds between two looks at the machine."""
    keep_days: int
    keep_rollups_days: int
    name: str = "metrics"

    async def run(self, ctx: Context) -> None:
        def tell(failure: str | None) -> None:
            if ctx.stopping.is_set():
                return
            if failure is None:
                ctx.ready()
            else:
                ctx.degraded(f"figures wait for the database: {failure}")

        self.recorder.on_change = tell
        tell(self.recorder.state().last_error)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.answer(QueryMetrics, self._query, limit=_QUERIES))
            tasks.create_task(ctx.answer(DescribeMetrics, self._describe))
            tasks.create_task(self._keep(ctx))
            # Those who measure end by themselves when asked to stop; the recorder ends after the last of them.
            measured = asyncio.Event()
            tasks.create_task(self.recorder.run(measured, drain_s=DRAIN_S))
            async with asyncio.TaskGroup() as sources:
                sources.create_task(self._follow(ctx, TurnFinished, of_turn))
                sources.create_task(self._follow(ctx, ServiceStateChanged, of_change))
                sources.create_task(self._follow(ctx, MessagesDropped, of_drops))
                sources.create_task(self._follow(ctx, MemoryIndexed, of_index))
                sources.create_task(self._follow(ctx, FactLearnt, of_fact))
                sources.create_task(self._follow(ctx, QuestionAnswered, of_question))
                sources.create_task(self._follow(ctx, PoolChanged, of_pool))
                sources.create_task(self._follow(ctx, InvariantViolated, of_violation))
                sources.create_task(self._follow(ctx, DeviceChanged, of_device))
                sources.create_task(self._follow(ctx, WakeWordConfirmed, of_confirmed))
                sources.create_task(self._follow(ctx, WakeWordRejected, of_rejected))
                sources.create_task(self._look(ctx))
            measured.set()

    async def _follow(self, ctx: Context, kind: type[E], figures: Callable[[E], Iterable[Sample]]) -> None:
        async with ctx.subscribe(kind, limit=_MAILBOX, overflow=Overflow.DROP_OLDEST) as box:
            async for event in box:
                for sample in figures(event):
                    self.recorder.record(*sample, wall=event.wall)

    async def _look(self, ctx: Context) -> None:
        source = SystemSource()
        while not await ctx.stopping_within(self.every_s):
            try:
                system = await ctx.request(Describe(), within=_DESCRIBE_WITHIN_S)
            except SoloError as error:
                ctx.log.debug("the machine did not say how it is", error=error.line())
                continue
            for sample in source.of(system, self.recorder.state().dropped):
                self.recorder.record(*sample)

    async def _keep(self, ctx: Context) -> None:
        """Write the limits of the settings where the maintenance function reads them, once there is a database."""
        while True:
            try:
                await self.store.keep(self.keep_days, self.keep_rollups_days)
                return
            except DatabaseError as error:
                ctx.log.debug("retention not written yet", error=error.line())
            if await ctx.stopping_within(self.every_s):
                return

    async def _query(self, question: QueryMetrics) -> tuple[Series, ...]:
        return await self.store.history(question.name, question.hours, within=_QUERY_WITHIN_S)

    async def _describe(self, _: DescribeMetrics) -> MetricsState:
        return self.recorder.state()
