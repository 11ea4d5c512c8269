"""The runner: loads a tree of services named as `module:callable`, runs it, returns the exit code."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import solo
from solo import egress, logs
from solo.bus import Bus, Overflow
from solo.isolation import confine
from solo.logs import get_logger
from solo.parts import Tree
from solo.privacy import standing
from solo.state_dir import StateDir
from solo.supervision import Describe, RestartLimitReached, State, StopRequested, Supervisor, SystemState
from solo.supervision.loop_health import LoopHealth
from solo.supervision.messages import MessagesDropped
from solo.supervision.state import BusState, MailboxState, MemoryState
from solo.supervision.systemd import Notifier

Companion = Callable[[Bus], Coroutine[Any, Any, None]]
"""Runs beside the services, such as the table of the first start; its end is not awaited, its error is logged."""


def load_tree(target: str, flags: Mapping[str, Any]) -> Tree:
    """Import `module:callable` and call it with the command-line flags, as uvicorn does with an application."""
    module, _, name = target.partition(":")
    make: Callable[[Mapping[str, Any]], Tree] = getattr(importlib.import_module(module), name)
    return make(flags)


def run(tree: Tree, companion: Companion | None = None) -> int:
    """Run until stopped. 0: stopped as asked, 1: an essential service crashed too often.

    Raises SoloError when it cannot start: state directory, port, settings.
    """
    logs.configure(tree.machine.log_level, tree.machine.log_format)
    allowed = tuple(standing.configured(tree.machine))
    home = StateDir(tree.machine.state_dir)
    home.claim()
    try:
        with egress.enforced(*allowed), asyncio.Runner(loop_factory=egress.loop_factory()) as runner:
            daemon = Daemon(tree, companion)
            code = runner.run(daemon.run())
            if daemon.has_deaf_service:
                # The runner would cancel it once more and then wait for ever.
                home.release()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            return code
    finally:
        home.release()


class Daemon:
    """One life of the daemon."""

    def __init__(self, tree: Tree, companion: Companion | None) -> None:
        self._tree = tree
        self._companion = companion
        self._bus = Bus()
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._started = time.monotonic()
        self._started_at = datetime.now(UTC).isoformat()
        self._notifier = Notifier()
        self._log = get_logger(service="solo")
        machine = tree.machine
        self._loop_health = LoopHealth(blocked_s=machine.loop_blocked_ms / 1000, abort_s=machine.watchdog_s)
        self._settled = False
        self._supervisor = Supervisor(tree.build(), self._bus, on_change=self._on_change)

    @property
    def has_deaf_service(self) -> bool:
        return self._supervisor.has_deaf_service

    async def run(self) -> int:
        self._take_signals()
        self._tell_of_refusals()
        self._log.info(
            "starting", version=solo.__version__, pid=os.getpid(), state_dir=str(self._tree.machine.state_dir)
        )
        async with asyncio.TaskGroup() as tasks:
            side = [
                tasks.create_task(self._loop_health.probe()),
                tasks.create_task(self._answer_describe()),
                tasks.create_task(self._hear_stop()),
                tasks.create_task(self._report_drops()),
                tasks.create_task(self._feed_watchdog()),
                tasks.create_task(self._accompany()),
            ]
            try:
                await self._supervisor.run(self._stop, self._stop_now)
                code = 0
            except RestartLimitReached as error:
                self._log.critical("stopping", error=error.line())
                code = 1
            for task in side:
                task.cancel()
        self._log.info("stopped", code=code, uptime_s=round(time.monotonic() - self._started, 1))
        return code

    def stop(self, why: str) -> None:
        """The first time: drain, within `drain_s`. The second time: now."""
        if self._stop.is_set():
            self._stop_now.set()
            return
        self._log.info("draining", why=why, limit_s=self._tree.machine.drain_s)
        self._notifier.stopping()
        self._stop.set()
        asyncio.get_running_loop().call_later(self._tree.machine.drain_s, self._stop_now.set)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self.stop, "signal"))
            else:
                loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
        if sys.platform == "win32":
            signal.signal(signal.SIGBREAK, lambda *_: loop.call_soon_threadsafe(self.stop, "signal"))

    def _tell_of_refusals(self) -> None:
        loop = asyncio.get_running_loop()

        def tell(refused: egress.Refused) -> None:
            told = standing.told(refused)
            with suppress(RuntimeError):  # the loop is closed: Solo is ending
                loop.call_soon_threadsafe(self._bus.publish, told)

        egress.GUARD.on_refused = tell

    def _on_change(self) -> None:
        if not self._settled and self._supervisor.all_settled:
            self._settled = True
            gc.freeze()  # what is loaded now stays: later collections need not look at it
            self._loop_health.start_counting()
            self._notifier.ready()

    async def _accompany(self) -> None:
        if self._companion is not None:
            try:
                await self._companion(self._bus)
            except Exception:
                self._log.exception("companion failed")

    async def _hear_stop(self) -> None:
        async with self._bus.subscribe(StopRequested, limit=4, overflow=Overflow.DROP_OLDEST, owner="solo") as requests:
            async for request in requests:
                self.stop(request.by)

    async def _answer_describe(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            with self._bus.serve(Describe, self._describe, owner="solo", tasks=tasks, limit=64):
                await asyncio.Event().wait()

    async def _describe(self, _: Describe) -> SystemState:
        services = self._supervisor.services()
        states = {service.state for service in services}
        if self._stop.is_set():
            overall = "draining"
        elif not self._settled:
            overall = "starting"
        else:
            overall = "ready" if states <= {State.READY} else "degraded"
        reasons = tuple(
            f"{service.name}: {service.state}" + (f", {service.note}" if service.note else "")
            for service in services
            if service.state is not State.READY
        )
        own = confine.resident_bytes()
        children = sum(service.engine.rss_bytes or 0 for service in services if service.engine is not None)
        bus = self._bus.statistics()
        return SystemState(
            version=solo.__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=round(time.monotonic() - self._started, 3),
            state=overall,
            reasons=reasons,
            memory=MemoryState(daemon_rss_bytes=own, total_rss_bytes=own + children),
            loop=self._loop_health.state(),
            bus=BusState(
                published=bus.published,
                delivered=sum(box.delivered for box in bus.mailboxes),
                dropped=bus.dropped,
                mailboxes=tuple(
                    MailboxState(
                        owner=box.owner, kind=box.kind, limit=box.limit, waiting=box.waiting, dropped=box.dropped
                    )
                    for box in bus.mailboxes
                ),
            ),
            egress=standing.state(),
            services=services,
        )

    async def _report_drops(self) -> None:
        """Says which mailbox lost something, at most once a second."""
        before: dict[tuple[str, str], int] = {}
        while True:
            await asyncio.sleep(1.0)
            now = {(box.owner, box.kind): box.dropped for box in self._bus.statistics().mailboxes}
            for (owner, kind), dropped in now.items():
                if (new := dropped - before.get((owner, kind), 0)) > 0:
                    self._log.warning("messages dropped", owner=owner, kind=kind, dropped=new)
                    self._bus.publish(MessagesDropped(owner=owner, kind=kind, dropped=new))
            before = now

    async def _feed_watchdog(self) -> None:
        """Only from the loop: a thread that pings would hide a blocked loop."""
        every = self._notifier.watchdog_every_s
        while every is not None:
            self._notifier.alive()
            await asyncio.sleep(every)
