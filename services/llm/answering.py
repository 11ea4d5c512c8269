"""One question, asked of the models that may answer it: once more after a death, then of those that take its place."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, contextmanager, nullcontext
from typing import Any, NamedTuple

from services.llm.failures import LLMBusy, ModelUnavailable, of_the_model, of_the_question
from services.llm.keeper import Keeper
from services.llm.runner import Runner
from services.messages.language import CompletionEnd, Lane
from solo.bus import remaining
from solo.errors import SoloError
from solo.isolation.engine import EngineDied

TRIES = 2
"""Of one model, for a question that nothing has been said to yet."""
PAUSE_S = 0.1
"""Before the second try, jittered: those whose engine died together do not come back together."""

Opened = Callable[[Runner], AbstractAsyncContextManager[AsyncIterator[Any]]]
"""Asks a runner; what comes are items of an answer."""


class Candidate(NamedTuple):
    """Who may answer."""

    role: str
    """In which role; empty: the model was asked for by its name."""
    keeper: Keeper


class Answering:
    def __init__(
        self, *, rng: random.Random, load_wait_s: float, log: Any, on_health: Callable[[], None] = lambda: None
    ) -> None:
        """`on_health` is called when a model's breaker has opened or closed."""
        self._rng = rng
        self._load_wait_s = load_wait_s
        self._log = log
        self._on_health = on_health

    async def answer(
        self, candidates: Sequence[Candidate], lane: Lane, opened: Opened, *, queued: bool = True
    ) -> AsyncGenerator[Any, None]:
        """Items of the first one that answers; a `CompletionEnd` says who it was. Raises what kept the first from it.

        Who has begun to speak is not replaced: its error is the answer's.
        """
        by = time.monotonic() + self._load_wait_s
        first: SoloError | None = None
        why = ""
        for role, keeper in candidates:
            began = False
            try:
                async with aclosing(self._tried(keeper, lane, opened, by, queued=queued)) as items:
                    async for item in items:
                        began = True
                        yield _signed(item, role, keeper, why) if isinstance(item, CompletionEnd) else item
                return
            except SoloError as error:
                if began or of_the_question(error) or isinstance(error, LLMBusy) or _too_late():
                    raise
                if first is None:
                    first, why = error, f"{keeper.name}: {error.line()}"
                if len(candidates) > 1:
                    self._log.warning("a model does not answer", model=keeper.name, role=role, error=error.line())
        assert first is not None, "nobody was asked"
        raise first

    async def _tried(
        self, keeper: Keeper, lane: Lane, opened: Opened, by: float, *, queued: bool
    ) -> AsyncGenerator[Any, None]:
        for left in reversed(range(TRIES)):
            began = False
            try:
                async with aclosing(self._once(keeper, lane, opened, by, queued=queued, again=left == 0)) as items:
                    async for item in items:
                        began = True
                        yield item
                return
            except EngineDied:
                if began or not left:
                    raise
            await asyncio.sleep(PAUSE_S * self._rng.uniform(0.5, 1.5))

    async def _once(
        self, keeper: Keeper, lane: Lane, opened: Opened, by: float, *, queued: bool, again: bool
    ) -> AsyncGenerator[Any, None]:
        breaker, health = keeper.breaker, keeper.breaker.state
        if not breaker.willing:
            raise ModelUnavailable(
                f"{keeper.name} has failed too often and is left alone for {breaker.wait_s:.0f} s more"
                + (f"; {keeper.error}" if keeper.error else ""),
                hint="Ask again later, or bind the role to another model.",
            )
        probe = breaker.begin()
        try:
            async with AsyncExitStack() as alone:
                if again:
                    await alone.enter_async_context(keeper.suspects)
                async with aclosing(self._asked(keeper, lane, opened, by, queued=queued)) as items:
                    async for item in items:
                        if again:
                            again = False
                            await alone.aclose()
                        yield item
        finally:
            if probe:
                breaker.left()
            if breaker.state != health:
                self._on_health()

    async def _asked(
        self, keeper: Keeper, lane: Lane, opened: Opened, by: float, *, queued: bool
    ) -> AsyncGenerator[Any, None]:
        while True:
            await keeper.ready(lane, by - time.monotonic())
            async with keeper.lanes.place(lane) if queued else nullcontext(0.0) as waited:
                with keeper.using() as runner:
                    if runner is None:
                        continue  # it was let go of, or died, in the moment between
                    with _counted(keeper):
                        async with opened(runner) as items:
                            async for item in items:
                                yield _later(item, waited) if waited and isinstance(item, CompletionEnd) else item
            return


@contextmanager
def _counted(keeper: Keeper) -> Iterator[None]:
    """What comes out of asking it is for its breaker to know; who leaves in the middle has no verdict."""
    try:
        yield
    except EngineDied:
        raise  # the keeper counts a death once, however many questions it has ended
    except SoloError as error:
        if of_the_model(error) and not _too_late():
            keeper.error = error.line()
            keeper.breaker.failed()
        raise
    keeper.error = ""
    keeper.breaker.worked()


def _signed(end: CompletionEnd, role: str, keeper: Keeper, why: str) -> CompletionEnd:
    return end.model_copy(update={"role": role, "model": keeper.name, "fallback": why})


def _later(end: CompletionEnd, waited: float) -> CompletionEnd:
    return end.model_copy(update={"waited_s": end.waited_s + waited})


def _too_late() -> bool:
    """The asker's own time is over, which says nothing of the model."""
    left = remaining()
    return left is not None and left <= 0
