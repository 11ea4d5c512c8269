"""Owns one model: loads it when it is wanted, ends it when it is not, and brings it back when it dies."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from services.llm.admission import Admission
from services.llm.breaker import CircuitBreaker
from services.llm.failures import ModelLoading, ModelUnloaded, NoMemory, again, first_of
from services.llm.lanes import Lanes
from services.llm.ledger import Need
from services.llm.plan import Planner
from services.llm.runner import Runner
from services.llm.standing import Standing, Step
from services.messages.language import Lane
from solo.errors import SoloError
from solo.isolation.engine import EngineDied, EngineNotStarted
from solo.supervision import backoff

HEALTHY_S = 2.0
"""Seconds of life after which the next death counts as the first in a row."""


class _Arrival:
    """What those wait for who want the model: once for every load."""

    def __init__(self) -> None:
        self.there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.awaited = 0


class Keeper(Standing):
    """One owner task, `run`: unloaded -> loading -> ready -> unloading -> unloaded, or failed -> a pause -> loading.

    Everybody else only asks (`ready`, `using`) and tells (`load`, `unload`, `let_go`); nothing of that waits between
    looking at the state and changing it, so a question and the end of an idle time cannot cross.
    """

    def __init__(
        self,
        name: str,
        planner: Planner,
        *,
        lanes: Lanes,
        admission: Admission,
        rng: random.Random,
        keep_alive_s: float,
        remote: bool = False,
        on_change: Callable[[Keeper], None] = lambda _: None,
    ) -> None:
        """`keep_alive_s`: seconds without a question after which it is unloaded; below 0: never."""
        super().__init__(name, lanes, CircuitBreaker(rng), remote=remote)
        self.suspects = asyncio.Lock()
        """Questions that were under way at a death are tried again one after the other: two deaths put a question in
        quarantine, and its neighbours should not go there with it."""
        self._planner = planner
        self._admission = admission
        self._rng = rng
        self._keep_alive_s = keep_alive_s
        self._on_change = on_change
        self._asked = False
        self._retired = False
        self._ready_at: float | None = None
        """Of this life."""
        self._death: EngineDied | None = None
        """As a question heard of it."""
        self._blamed: Runner | None = None
        self._failures = 0
        self._woken = asyncio.Event()
        self._settled = asyncio.Event()
        self._arrival = _Arrival()
        self._life: asyncio.Task[None] | None = None

    # -- asking ----------------------------------------------------------------------------------

    async def ready(self, lane: Lane, within: float) -> None:
        """Wait for it to be there; the load begins if it has not, and goes on when who waits leaves.

        Raises why it cannot be loaded, `ModelLoading` after `within` seconds, `LLMBusy`.
        """
        if self.runner is not None:
            return
        if (refusing := self.refusing) is not None:
            raise again(refusing)
        with self.lanes.attached(lane):
            arrival = self._arrival
            arrival.awaited += 1
            self.look()
            try:
                async with asyncio.timeout(within):
                    await asyncio.shield(arrival.there)
            except TimeoutError:
                raise self._loading() from None
            finally:
                arrival.awaited -= 1
                self.look()

    @contextmanager
    def using(self) -> Iterator[Runner | None]:
        """It is busy inside the block. None: it has just gone; wait for `ready` again."""
        runner = self.runner
        if runner is None:
            yield None
            return
        self.busy += 1
        self._used = True
        try:
            yield runner
        except EngineDied as error:
            if self.runner is runner:  # its owner hears of that a moment later, and ends what may be left of it
                self.runner = None
                self.leaving = True
                self._death = error
                self._enter("loading")
            if self._blamed is not runner:  # one death is one failure, however many questions it ended
                self._blamed = runner
                self.breaker.failed()
            raise
        finally:
            self.busy -= 1
            self.used_at = time.monotonic()
            self.look()

    # -- telling ---------------------------------------------------------------------------------

    def load(self) -> None:
        """Load it now, also when it has failed a moment ago."""
        self._asked = True
        self._failure = None
        self._retry_at = 0.0
        self.look()

    def let_go(self) -> None:
        """End it when what it is answering is answered; new questions wait for it to be loaded again."""
        self.runner = None
        self.leaving = True
        self._enter("unloading")
        self.look()

    async def unload(self) -> None:
        """Let go of it, or call its loading off, and wait until it has gone."""
        self.pinned = self._asked = False
        self._settled.clear()
        if self.runner is not None:
            self.let_go()
        elif self._step == "loading" and self._life is not None:
            self._life.cancel()
        elif self._step != "unloading":
            return
        await self._settled.wait()

    def retire(self) -> None:
        """It is not needed any more: its owner returns when it is unloaded."""
        self._retired = True
        self.look()

    def look(self) -> None:
        """Something has changed that its owner, or who waits for memory, may want to know."""
        self._woken.set()
        self._admission.changed()

    # -- its life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; then the model is ended."""
        while True:
            await self._until_wanted()
            if self._retired:
                return
            life = self._life = asyncio.create_task(self._live(), name=f"llm: {self.name}")
            try:
                await asyncio.wait({life})
            finally:
                if not life.done():
                    life.cancel()
                    await asyncio.wait({life})
            self._life = None
            if life.cancelled():
                self._end_wait(ModelUnloaded(f"loading {self.name} was called off", hint="Ask again."))
                self._enter("unloaded")
            else:
                life.result()
            self._settled.set()

    async def _until_wanted(self) -> None:
        while True:
            self._woken.clear()
            pause = None
            if self._retired:
                return
            if self.kept or self._asked or self._arrival.awaited:
                pause = self._retry_at - time.monotonic()
                if pause <= 0:
                    return
            elif self.loading:
                self._enter("unloaded")  # who waited for it to come back has left
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _live(self) -> None:
        """Once from loading to the end."""
        self._ready_at = None
        self._death = None
        self._enter("loading")
        try:
            plan = self.plan = await self._planner()
            if not self.remote:
                await self._admission.admit(self.name, plan.need, voice=self.always)
            try:
                async with asyncio.timeout(plan.within_s) as limit:
                    async with plan.maker.running() as runner:
                        limit.reschedule(None)
                        await self._correct(plan.need, runner)
                        self._arrived(runner)
                        await self._until_let_go()
            finally:
                self._admission.release(self.name)
        except* SoloError as group:
            self._ended(first_of(group))
        except* TimeoutError:
            self._ended(EngineNotStarted(f"{self.name} did not load in time"))
        else:
            self.leaving = self._asked = False
            self._ended(self._death) if self._death is not None else self._enter("unloaded")

    async def _correct(self, estimate: Need, runner: Runner) -> None:
        if isinstance(told := runner.state().info.get("bytes"), dict):
            weights, kv = told.get("weights", estimate.weights), told.get("kv", estimate.kv)
            await self._admission.grow(self.name, Need(int(weights), int(kv), estimate.host_cache))

    def _arrived(self, runner: Runner) -> None:
        slots = runner.state().info.get("slots")
        if isinstance(slots, int):
            self.lanes.resize(slots)
        self.runner = runner
        self.leaving = False
        self._ready_at = self.used_at = time.monotonic()
        self._failure = None
        self.error = ""
        self._enter("ready")
        self._arrival.there.set_result(None)
        self._arrival = _Arrival()

    async def _until_let_go(self) -> None:
        while not (self.leaving and not self.busy):
            self._woken.clear()
            pause = None
            if self.evictable and self._keep_alive_s >= 0:
                pause = self.used_at + self._keep_alive_s - time.monotonic()
                if pause <= 0:
                    self.let_go()
                    return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    def _ended(self, error: SoloError) -> None:
        """It died, or could not be loaded."""
        now = time.monotonic()
        if self._ready_at is not None and now - self._ready_at >= HEALTHY_S:
            self._failures = 0
        self._failures += 1
        self._retry_at = now + backoff.delay(self._failures, rng=self._rng)
        self.runner = None
        self.leaving = self._asked = False
        self.error = error.line()
        if self._ready_at is not None:
            # It will be back in a moment: who waits goes on waiting.
            self._enter("loading" if self.kept or self._arrival.awaited else "unloaded", news=True)
            return
        self._failure = error
        if isinstance(error, NoMemory) and not self.kept:
            self._retry_at = now  # there may be room for it at any time
        self._enter("failed", news=True)
        self._end_wait(error)

    def _end_wait(self, error: SoloError) -> None:
        self._arrival.there.set_exception(again(error))
        self._arrival.there.exception()  # nobody may have waited
        self._arrival = _Arrival()

    def _enter(self, step: Step, *, news: bool = False) -> None:
        """`news`: there is more to tell than another step."""
        if step != self._step:
            self._since = time.monotonic()
        if news or step != self._step:
            self._step = step
            self._on_change(self)

    def _loading(self) -> ModelLoading:
        share = "" if self.progress is None else f" ({self.progress:.0%})"
        return ModelLoading(
            f"{self.name} is being loaded{share}, for {self.since_s:.0f} s so far",
            hint="Ask again in some seconds; the load goes on.",
        )
