"""One child's life: start, be ready, crash and back off, or stop when asked (ask, wait, insist)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from solo.bus import Bus
from solo.errors import SoloError
from solo.logs import get_logger
from solo.supervision import backoff
from solo.supervision.messages import ServiceStateChanged
from solo.supervision.service import Context
from solo.supervision.spec import Restart, ServiceSpec
from solo.supervision.state import Failure, ServiceState, State

_RUNNING = frozenset({State.READY, State.DEGRADED})


class NotReadyInTime(SoloError):
    """The service did not become ready in time."""

    code = "supervision.not_ready"


class ServiceReturned(SoloError):
    """The service returned although it should run for ever."""

    code = "supervision.returned"


class ServiceCrashed(SoloError):
    """The service crashed with an error that Solo has no name for."""

    code = "supervision.crashed"


class RestartLimitReached(SoloError):
    """An essential service crashed too often; Solo stops so that the operating system starts it afresh."""

    code = "supervision.restart_limit"


class Child:
    """Runs one spec for ever; owned by the supervisor, which awaits `run` in a task of its own."""

    def __init__(self, spec: ServiceSpec, bus: Bus, *, rng: random.Random, on_change: Callable[[Child], None]) -> None:
        self.spec = spec
        self.state = State.WAITING
        self.restarts = 0
        self.may_run = asyncio.Event()
        self._bus = bus
        self._rng = rng
        self._on_change = on_change
        self._log = get_logger(service="supervision")
        self._note = ""
        self._since = time.monotonic()
        self._started = self._since
        self._ready_after: float | None = None
        self._last_error: Failure | None = None
        self._crashes: deque[float] = deque()
        self._in_a_row = 0
        self._context: Context | None = None
        self._stop = asyncio.Event()
        self._interrupted = False
        self._insisted = False
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.state in _RUNNING

    async def run(self) -> None:
        self._task = asyncio.current_task()
        try:
            await self._live()
        finally:
            for kind in self.spec.answers:
                self._bus.forget(kind)

    async def _live(self) -> None:
        while not self._stop.is_set():
            await self._until_it_may_run()
            if self._stop.is_set():
                break
            error = await self._once()
            if self._stop.is_set():
                break
            if self._interrupted:
                self._interrupted = False
                self.restarts += 1
                continue
            if error is None:
                if self.spec.restart is not Restart.ALWAYS:
                    break
                error = ServiceReturned(f"{self.spec.name} returned although it should run for ever")
            if self.spec.restart is Restart.NEVER:
                self._fail(error)
                return
            await self._back_off(error)
        self._enter(State.STOPPED)

    def ask_to_stop(self) -> None:
        """Finish what is under way, then return; a child that waits or backs off returns at once."""
        self._stop.set()
        self._drain()

    def interrupt(self) -> None:
        """End this run, not as a crash; the next starts when `may_run` is set. Cancelled when it takes too long."""
        if self._context is not None and not self._interrupted:
            self._interrupted = True
            self._drain()
            asyncio.get_running_loop().call_later(self.spec.drain_within, self._cut_short, self._context)

    def insist(self) -> None:
        """Cancel it now."""
        self._insisted = True
        if self._task is not None:
            self._task.cancel()

    def snapshot(self) -> ServiceState:
        return ServiceState(
            name=self.spec.name,
            state=self.state,
            since_s=round(time.monotonic() - self._since, 3),
            ready_after_s=self._ready_after,
            restarts=self.restarts,
            last_error=self._last_error,
            note=self._note,
            engine=self._context.engine() if self._context is not None else None,
        )

    def _cut_short(self, context: Context) -> None:
        if self._context is context and self._task is not None:
            self._task.cancel()

    def _drain(self) -> None:
        if self._context is not None:
            self._context.stopping.set()
            self._enter(State.DRAINING)

    async def _until_it_may_run(self) -> None:
        if not self.may_run.is_set():
            self._enter(State.WAITING)
            await self._first(self.may_run.wait())

    async def _once(self) -> BaseException | None:
        """One run from start to end; the error that ended it, or None."""
        limit = asyncio.timeout(self.spec.ready_within)

        def on_state(state: State, note: str) -> None:
            if not self.running:
                limit.reschedule(None)
            if self.state is not State.DRAINING:
                self._enter(state, note)

        context = self._context = Context(self._bus, self.spec.name, on_state=on_state)
        self._started = time.monotonic()
        self._ready_after = None
        self._enter(State.STARTING)
        try:
            async with limit:
                await self.spec.make().run(context)
        except TimeoutError as error:
            if limit.expired():
                return NotReadyInTime(f"{self.spec.name} was not ready within {self.spec.ready_within:g} s")
            return error
        except asyncio.CancelledError as error:
            if self._insisted:
                raise
            # Nobody cancelled it: the service raised this by itself, which is a crash like any other.
            task = asyncio.current_task()
            while task is not None and task.cancelling():
                task.uncancel()
            return error
        except BaseException as error:  # SystemExit and the like of one service are not those of Solo
            return error
        finally:
            self._context = None
        return None

    async def _back_off(self, error: BaseException) -> None:
        now = time.monotonic()
        healthy = self.running and now - self._since >= self.spec.healthy_after
        self._in_a_row = 1 if healthy else self._in_a_row + 1
        self._crashes.append(now)
        while self._crashes and self._crashes[0] < now - self.spec.intensity.within_s:
            self._crashes.popleft()
        self.restarts += 1
        failure = self._record(error)
        too_often = len(self._crashes) > self.spec.intensity.crashes
        if too_often and self.spec.essential:
            self._fail(error)
            raise RestartLimitReached(
                f"{self.spec.name} crashed {len(self._crashes)} times in {self.spec.intensity.within_s:g} s, "
                f"last: {failure.message}"
            ) from error
        # One that never gets ready is not waited for; one that was, and died, will be back in a moment.
        never_ready = self._ready_after is None
        if never_ready and self._in_a_row > 1 and isinstance(cause := root_cause(error), SoloError):
            for kind in self.spec.answers:
                self._bus.report_down(kind, cause)
        pause = backoff.delay(self._in_a_row, rng=self._rng)
        note = f"{failure.message}; next start in {pause:.1f} s"
        if too_often:
            note = f"crashed {len(self._crashes)} times in {self.spec.intensity.within_s:g} s; {note}"
        self._enter(State.BACKOFF, note, code=failure.code)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stop.wait()

    def _fail(self, error: BaseException) -> None:
        failure = self._record(error)
        self._enter(State.FAILED, failure.message, code=failure.code)

    def _record(self, error: BaseException) -> Failure:
        cause = root_cause(error)
        named = cause if isinstance(cause, SoloError) else ServiceCrashed(f"{type(cause).__name__}: {cause}")
        # An unnamed error is a bug and its traceback is wanted; a named one says enough in a line.
        trace = None if isinstance(cause, SoloError) else cause
        self._log.warning("service crashed", name=self.spec.name, code=named.code, error=named.line(), exc_info=trace)
        self._last_error = Failure(code=named.code, message=named.line(), at=datetime.now(UTC).isoformat())
        return self._last_error

    async def _first(self, wait: object) -> None:
        """Wait for this or for being asked to stop."""
        waits = {asyncio.ensure_future(wait), asyncio.ensure_future(self._stop.wait())}  # type: ignore[call-overload]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def _enter(self, state: State, note: str = "", *, code: str | None = None) -> None:
        now = time.monotonic()
        if state is not self.state:
            self._since = now
        if state in _RUNNING and self._ready_after is None:
            self._ready_after = round(now - self._started, 3)
            for kind in self.spec.answers:
                self._bus.expect(kind)
        self.state = state
        self._note = note
        self._bus.publish(
            ServiceStateChanged(name=self.spec.name, state=state, note=note, code=code, after_s=self._ready_after)
        )
        self._on_change(self)


def root_cause(error: BaseException) -> BaseException:
    """The error inside a group of one (task groups wrap), or the first one of a group."""
    while isinstance(error, BaseExceptionGroup):
        named = [one for one in error.exceptions if isinstance(root_cause(one), SoloError)]
        error = (named or list(error.exceptions))[0]
    return error
