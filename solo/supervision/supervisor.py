"""Keeps a list of services alive: one-for-one, with dependants restarted together, drained in reverse order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from solo.bus import Bus
from solo.logs import get_logger
from solo.supervision.child import Child, RestartLimitReached
from solo.supervision.containment import contained_task
from solo.supervision.spec import ServiceSpec
from solo.supervision.state import ServiceState, State

__all__ = ["RestartLimitReached", "Supervisor"]


class Supervisor:
    """All children start at once (requests wait for their handler) except those that hold something of another."""

    def __init__(
        self,
        specs: Sequence[ServiceSpec],
        bus: Bus,
        *,
        rng: random.Random | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        names = [spec.name for spec in specs]
        for spec in specs:
            if names.count(spec.name) > 1:
                raise ValueError(f"two services are named {spec.name}")
            for held in spec.holds:
                if held not in names[: names.index(spec.name)]:
                    raise ValueError(f"{spec.name} holds {held}, which is not listed before it")
        for kind in {kind for spec in specs for kind in spec.answers}:
            bus.expect(kind)
        self._changed = on_change or (lambda: None)
        rng = rng or random.Random()
        self._children = [Child(spec, bus, rng=rng, on_change=self._on_change) for spec in specs]
        self.has_deaf_service = False
        """One went on after it was cancelled at the end."""
        self._log = get_logger(service="supervision")

    async def run(self, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        """Keep everything running until `stop`, then drain; `stop_now` cancels what still runs.

        Raises RestartLimitReached, after draining, when an essential service crashed too often.
        """
        loop = asyncio.get_running_loop()
        loop.set_task_factory(contained_task)
        # From the last to the first, which is also the order of the drain: the door opens before the engines load.
        tasks = {asyncio.create_task(child.run(), name=child.spec.name): child for child in reversed(self._children)}
        stopping = asyncio.create_task(stop.wait())
        self._open_gates()
        fatal: BaseException | None = None
        try:
            while True:
                alive = [task for task in tasks if not task.done()]
                done, _ = await asyncio.wait({stopping, *alive}, return_when=asyncio.FIRST_COMPLETED)
                fatal = next((error for task in done if task is not stopping and (error := task.exception())), None)
                if fatal is not None or stopping in done or len(alive) <= len(done):
                    break
        finally:
            stopping.cancel()
            await self._drain(tasks, stop_now)
        if fatal is not None:
            raise fatal

    def services(self) -> tuple[ServiceState, ...]:
        return tuple(child.snapshot() for child in self._children)

    @property
    def all_settled(self) -> bool:
        """Every service is ready, has ended for good, or keeps failing: nothing more is to be waited for."""
        settled = {State.READY, State.DEGRADED, State.STOPPED, State.FAILED}
        return all(child.state in settled or child.restarts > 1 for child in self._children)

    def _on_change(self, child: Child) -> None:
        if not child.running:
            for other in self._children:
                if child.spec.name in other.spec.holds:
                    other.may_run.clear()
                    other.interrupt()
        self._open_gates()
        self._changed()

    def _open_gates(self) -> None:
        running = {child.spec.name for child in self._children if child.running}
        for child in self._children:
            if running.issuperset(child.spec.holds):
                child.may_run.set()

    async def _drain(self, tasks: dict[asyncio.Task[None], Child], stop_now: asyncio.Event) -> None:
        """Stop in reverse order: ask, wait as long as the spec allows, insist."""
        now = asyncio.create_task(stop_now.wait())
        for task, child in tasks.items():
            if not task.done():
                child.ask_to_stop()
                await asyncio.wait({task, now}, timeout=child.spec.drain_within, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._log.warning("service did not drain in time", name=child.spec.name)
                child.insist()
                await asyncio.wait({task}, timeout=1.0)
            if not task.done():
                self._log.error("service ignores cancellation", name=child.spec.name)
                self.has_deaf_service = True
        now.cancel()
