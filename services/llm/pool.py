"""The language models of this machine: which answers in which role, loaded when wanted, within the memory there is."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from services.llm.admission import Admission
from services.llm.answering import Answering, Candidate, Opened
from services.llm.describing import describe, pool_state, role_state
from services.llm.failures import ModelInUse, NoVision
from services.llm.keeper import Keeper
from services.llm.lanes import Lanes
from services.llm.ledger import Ledger, Need
from services.llm.making import MOST_LOAD_S, Making
from services.llm.plan import Planner, Reference
from services.llm.roles import ROLES, Roles
from services.llm.shelf import Shelf
from services.messages.language import Lane, Role
from services.messages.models import ModelsChanged
from services.messages.pool import LoadedModel, PoolChanged, PoolState, RoleState
from solo.bus import Overflow
from solo.errors import SoloError
from solo.supervision import Context, EngineState

UNLOAD_S = 10.0
"""How long who unloads a model waits to see it gone; it goes all the same."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    default: str
    """What the default model is called by; empty: the packaged one."""
    keep_alive_s: float
    load_wait_s: float
    queue: int
    queue_s: float
    remote_streams: int
    budget_bytes: int
    beside: dict[str, int]
    """Bytes that other engines take, by their names."""


class Pool:
    """Owns the keepers; inside `running` they live."""

    def __init__(self, ctx: Context, policy: PoolPolicy, making: Making, roles: Roles) -> None:
        self._ctx = ctx
        self._policy = policy
        self._making = making
        self._roles = roles
        self._rng = random.Random()
        self._ledger = Ledger(policy.budget_bytes, policy.beside)
        self._admission = Admission(self._ledger, lambda: iter(self._shelf))
        self._shelf = Shelf(ctx, making, policy.default, self._new_keeper)
        self._answering = Answering(
            rng=self._rng, load_wait_s=policy.load_wait_s, log=ctx.log, on_health=lambda: self._tell()
        )
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._told: str | None = None

    # -- its life --------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Models are loaded, watched and asked inside; behind it every one of them has ended."""
        async with asyncio.TaskGroup() as self._group:
            self._own(self._watch_files(), "llm: files")
            self._bind()
            try:
                yield
            finally:
                for task in self._tasks:
                    task.cancel()

    async def start(self) -> None:
        """Wait until somebody can answer who speaks. Raises why the role dialog's own model cannot be loaded, when no
        other takes its place."""
        first: SoloError | None = None
        for _, keeper in self._chain("dialog"):
            try:
                await keeper.ready("voice", MOST_LOAD_S)
                break
            except SoloError as error:
                first = first or error
        else:
            assert first is not None
            raise first
        self._started = True
        self._tell()

    def engine(self) -> EngineState | None:
        """That of who answers who speaks; None while it is away."""
        dialog = self._shelf.of(self._roles.bound("dialog") or "")
        return dialog.engine()

    # -- questions -------------------------------------------------------------------------------

    async def candidates(self, role: Role, model: str, *, pictures: bool = False) -> list[Candidate]:
        """Who may answer, in order. A model asked for by its name has no other in its place. Raises `UnknownModel`,
        `NoVision`."""
        if not model:
            found = self._chain(role)[:1] if pictures else self._chain(role)
            if not found or (pictures and self._roles.bound("vision") is None):
                raise NoVision(hint="Bind the role vision to a model that takes pictures.")
            return found
        keeper = await self._shelf.named(model)
        seeing = self._roles.bound("vision")
        if pictures and (seeing is None or self._shelf.of(seeing) is not keeper):
            raise NoVision(f"{keeper.name} does not take pictures", hint="Ask the model of the role vision.")
        return [Candidate("", keeper)]

    def answer(
        self, candidates: list[Candidate], lane: Lane, opened: Opened, *, queued: bool = True
    ) -> AsyncGenerator[Any, None]:
        """Items of the first one that answers (see `Answering`)."""
        return self._answering.answer(candidates, lane, opened, queued=queued)

    async def ask(self, candidates: list[Candidate], lane: Lane, call: Any, *, queued: bool = True) -> Any:
        """The one answer that `call` gets of a runner."""

        @asynccontextmanager
        async def opened(runner: Any) -> AsyncGenerator[AsyncGenerator[Any, None], None]:
            async def one() -> AsyncGenerator[Any, None]:
                yield await call(runner)

            async with aclosing(one()) as items:
                yield items

        async with aclosing(self.answer(candidates, lane, opened, queued=queued)) as items:
            async for item in items:
                return item
        raise AssertionError("nothing was answered")

    def at_hand(self, role: Role) -> Keeper | None:
        """The first of a role's models that would answer at once."""
        ready = (keeper for _, keeper in self._chain(role) if keeper.runner is not None and keeper.breaker.willing)
        return next(ready, None)

    # -- orders ----------------------------------------------------------------------------------

    async def load(self, name: str, pin: bool | None) -> LoadedModel:
        keeper = await self._shelf.named(name)
        keeper.pinned = keeper.pinned if pin is None else pin
        if keeper.runner is None and pin is not False:
            keeper.load()
        keeper.look()
        return describe(keeper, self._ledger)

    async def unload(self, name: str) -> LoadedModel:
        """Raises `ModelInUse` for the role dialog's."""
        keeper = await self._shelf.named(name)
        if keeper.always:
            raise ModelInUse(
                f"{keeper.name} plays the role dialog, which must always be answered",
                hint="Bind dialog to another model first.",
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(UNLOAD_S):
                await keeper.unload()
        return describe(keeper, self._ledger)

    async def use(self, role: Role, model: str) -> RoleState:
        """Raises `UnknownModel`, why the catalogue refuses it, `BadEngineInput` for a URL that is none, and
        `StateDirUnusable`."""
        text = model
        if model.startswith(("http://", "https://")):
            self._making.remote(Reference.of(model))
        elif model:
            text = self._shelf.text_of(await self._shelf.named(model))
        await self._roles.choose(role, text)
        self._bind()
        self._tell()
        return role_state(role, self._roles, self._shelf)

    def describe(self) -> PoolState:
        return pool_state(self._roles, self._shelf, self._ledger, self._admission.evictions)

    # -- inside ----------------------------------------------------------------------------------

    def _chain(self, role: Role) -> list[Candidate]:
        """The role's own model and those that take its place, each once."""
        found: list[Candidate] = []
        for other in self._roles.chain(role):
            text = self._roles.bound(other)
            keeper = None if text is None else self._shelf.of(text)
            if keeper is not None and all(keeper is not known.keeper for known in found):
                found.append(Candidate(other, keeper))
        return found

    def _bind(self) -> None:
        """The role dialog's model is always there, and memory is kept for it."""
        dialog = self._shelf.of(self._roles.bound("dialog") or "")
        for keeper in self._shelf:
            keeper.always = keeper is dialog
            keeper.look()
        self._ledger.keep_for_voice(dialog.name, dialog.plan.need if dialog.plan is not None else Need())

    def _new_keeper(self, name: str, planner: Planner, remote: bool) -> Keeper:
        at_once = self._policy.remote_streams if remote else self._making.slots
        keeper = Keeper(
            name,
            planner,
            lanes=Lanes(name, at_once=at_once, queue=self._policy.queue, queue_s=self._policy.queue_s),
            admission=self._admission,
            rng=self._rng,
            keep_alive_s=self._policy.keep_alive_s,
            remote=remote,
            on_change=self._changed,
        )
        self._own(keeper.run(), f"llm: keeper of {name}")
        return keeper

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert self._group is not None, "the pool does not run"
        # Its own: a load goes on although the time of whoever began it is over.
        task = self._group.create_task(work, name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch_files(self) -> None:
        async with self._ctx.subscribe(ModelsChanged, limit=64, overflow=Overflow.DROP_OLDEST) as changes:
            async for change in changes:
                for name in change.removed:
                    await self._gone(name)

    async def _gone(self, name: str) -> None:
        """Its file is not there any more. One that has it in memory may go on with that while a role is bound to it."""
        keeper = self._shelf.known(name)
        bound = {self._roles.bound(role) for role in ROLES}
        if keeper is None or any(text is not None and self._shelf.of(text) is keeper for text in bound):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(UNLOAD_S):
                await keeper.unload()
        self._shelf.drop(keeper)
        keeper.retire()

    def _changed(self, keeper: Keeper) -> None:
        self._ctx.publish(PoolChanged(model=keeper.name, state=keeper.state, error=keeper.error))
        self._tell()

    def _tell(self) -> None:
        """Solo is told when who speaks cannot be answered as usual, and when that is over."""
        if not self._started:
            return
        dialog = role_state("dialog", self._roles, self._shelf)
        error = self._shelf.of(self._roles.bound("dialog") or "").error
        because = f": {error}" if error else ""
        note = {
            "ok": "",
            "fallback": f"{dialog.answering} takes the place of {dialog.model}{because}",
            "loading": f"{dialog.model} is being loaded{because}",
        }.get(dialog.state, f"nobody answers{because}")
        if note != self._told:
            self._told = note
            (self._ctx.degraded if note else self._ctx.ready)(note)
