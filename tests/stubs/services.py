"""Services made of one function, and a supervisor that runs them for the length of a block."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from solo.bus import Bus, Overflow
from solo.supervision import Context, ServiceSpec, ServiceState, ServiceStateChanged, State, Supervisor

Body = Callable[[Context], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    body: Body

    async def run(self, ctx: Context) -> None:
        await self.body(ctx)


def spec(name: str, body: Body, **options: Any) -> ServiceSpec:
    return ServiceSpec(name=name, make=lambda: Function(name, body), **options)


async def until_stopped(ctx: Context) -> None:
    """The simplest healthy service."""
    ctx.ready()
    await ctx.stopping.wait()


def answering(kind: type[Any], answer: Callable[[Any], Any], **options: Any) -> Body:
    async def run(ctx: Context) -> None:
        ctx.ready()
        await ctx.answer(kind, answer, **options)

    return run


@dataclass(slots=True)
class House:
    bus: Bus
    supervisor: Supervisor
    stop: asyncio.Event
    stop_now: asyncio.Event
    task: asyncio.Task[None]

    def state(self, name: str) -> ServiceState:
        return next(service for service in self.supervisor.services() if service.name == name)

    async def reaches(self, name: str, state: State) -> ServiceState:
        """Wait until this service is in this state."""
        async with self.bus.subscribe(ServiceStateChanged, limit=10_000, overflow=Overflow.FAIL) as changes:
            if self.state(name).state is not state:
                async for change in changes:
                    if change.name == name and change.state is state:
                        break
            return self.state(name)


@asynccontextmanager
async def supervised(bus: Bus, *specs: ServiceSpec, seed: int = 1) -> AsyncIterator[House]:
    """Running inside the block, drained behind it. What the supervisor raises is raised there."""
    supervisor = Supervisor(specs, bus, rng=random.Random(seed))
    stop, stop_now = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop, stop_now), name="supervisor")
    for _ in range(3):  # each is a step of the services' own: they have been started now
        await asyncio.sleep(0)
    try:
        yield House(bus, supervisor, stop, stop_now, task)
    finally:
        stop.set()
        await asyncio.wait([task])
        asyncio.get_running_loop().set_task_factory(None)
    await task


async def journal(bus: Bus, seen: list[tuple[str, State]]) -> None:
    """Write down every change of state until cancelled."""
    async with bus.subscribe(ServiceStateChanged, limit=100_000, overflow=Overflow.FAIL) as changes:
        async for change in changes:
            seen.append((change.name, change.state))  # noqa: PERF401  # it is cancelled in the middle


@asynccontextmanager
async def recorded(bus: Bus) -> AsyncIterator[list[tuple[str, State]]]:
    """Every change of state inside the block."""
    seen: list[tuple[str, State]] = []
    task = asyncio.create_task(journal(bus, seen))
    await asyncio.sleep(0)
    yield seen
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
