"""Answers everything that is asked of the language models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from services.llm.making import Making
from services.llm.pool import Pool, PoolPolicy
from services.llm.questions import check, check_length, check_messages
from services.llm.roles import Roles, role_of
from services.llm.watching import watched
from services.messages.language import (
    Complete,
    CompletionEnd,
    Counted,
    CountTokens,
    Embedded,
    EmbedTexts,
    Prefill,
    TextDelta,
)
from services.messages.pool import DescribePool, LoadedModel, LoadModel, PoolState, RoleState, UnloadModel, UseModel
from services.messages.responses import CacheState, ClearCache, DescribeCache
from solo.errors import SoloError
from solo.supervision import Context

ANSWERS = (
    Complete, Prefill, CountTokens, EmbedTexts, DescribePool, LoadModel, UnloadModel, UseModel, DescribeCache,
    ClearCache,
)  # fmt: skip
MOST_QUESTIONS = 1024
"""Under way at once, waiting ones included: above what the lanes of several models hold, so that it is they who refuse
and a spoken turn always gets in."""
_SETTLE_S = 1.0
"""For askers to hear why the service cannot start."""

Answer = AsyncGenerator[TextDelta | CompletionEnd, None]


class Cache(Protocol):
    """Earlier answers, as `services.llm.responses.Responses` keeps them."""

    def running(self) -> AbstractAsyncContextManager[None]: ...

    def through(self, question: Complete, model: str, ask: Callable[[], Answer]) -> Answer: ...

    async def state(self) -> CacheState: ...

    async def clear(self, model: str, profile: str) -> int: ...


@dataclass(frozen=True, slots=True)
class LLMPlan:
    """What the service is made of."""

    policy: PoolPolicy
    making: Making
    roles: Callable[[], Roles]
    cache: Cache


class LLMService:
    """Answers as soon as it starts (questions wait for the model), and is ready when who speaks can be answered."""

    name = "llm"

    def __init__(self, plan: LLMPlan) -> None:
        self._plan = plan
        self._asked = 0
        self._answered = asyncio.Event()

    async def run(self, ctx: Context) -> None:
        self._ctx = ctx
        roles = self._plan.roles()
        roles.read()
        self._pool = Pool(ctx, self._plan.policy, self._plan.making, roles)
        ctx.engine = self._pool.engine
        async with self._pool.running(), self._plan.cache.running():
            async with asyncio.TaskGroup() as tasks:
                starting = tasks.create_task(self._start(), name="llm: start")
                await self._answer(ctx)
                starting.cancel()

    async def _start(self) -> None:
        try:
            await self._pool.start()
        except SoloError:
            # Whoever asked meanwhile hears the reason, not that the service has stopped.
            try:
                async with asyncio.timeout(_SETTLE_S):
                    while self._asked:
                        self._answered.clear()
                        await self._answered.wait()
            except TimeoutError:
                pass
            raise

    async def _answer(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            # A model that is away comes back while the service stays.
            tasks.create_task(ctx.answer(Complete, self._complete, limit=MOST_QUESTIONS, restarts=False))
            tasks.create_task(ctx.answer(Prefill, self._prefill, restarts=False))
            tasks.create_task(ctx.answer(CountTokens, self._count, limit=MOST_QUESTIONS, restarts=False))
            tasks.create_task(ctx.answer(EmbedTexts, self._embed, limit=MOST_QUESTIONS, restarts=False))
            tasks.create_task(ctx.answer(DescribePool, self._describe))
            tasks.create_task(ctx.answer(LoadModel, self._load))
            tasks.create_task(ctx.answer(UnloadModel, self._unload))
            tasks.create_task(ctx.answer(UseModel, self._use))
            tasks.create_task(ctx.answer(DescribeCache, self._describe_cache))
            tasks.create_task(ctx.answer(ClearCache, self._clear_cache))

    async def _complete(self, question: Complete) -> Answer:
        with self._under_way(), watched(self._ctx, question) as watch:
            check(question)
            pictures = any(message.images for message in question.messages)
            candidates = await self._pool.candidates(role_of(question), question.model, pictures=pictures)
            plan = candidates[0].keeper.plan
            check_length(question, None if plan is None else plan.context)

            def ask() -> Answer:
                return self._pool.answer(candidates, question.lane, lambda runner: runner.complete(question))

            known = plan is not None and plan.content
            source = self._plan.cache.through(question, plan.content, ask) if plan is not None and known else ask()
            async with aclosing(source) as items:
                async for item in items:
                    if watch.first is None:
                        watch.first = time.monotonic()
                    if isinstance(item, CompletionEnd):
                        watch.end = item
                    yield item

    async def _prefill(self, question: Prefill) -> int:
        """Only where it helps: a model that is being loaded has nothing to be prepared yet."""
        check_messages(question.messages)
        keeper = self._pool.at_hand(question.role)
        if keeper is None:
            return 0
        with keeper.using() as runner:
            return 0 if runner is None else await runner.prefill(question)

    async def _count(self, question: CountTokens) -> Counted:
        with self._under_way():
            check_messages(question.messages)
            candidates = await self._pool.candidates(question.role, question.model)
            found: Counted = await self._pool.ask(
                candidates, "chat", lambda runner: runner.count(question), queued=False
            )
            return found

    async def _embed(self, question: EmbedTexts) -> Embedded:
        with self._under_way():
            candidates = await self._pool.candidates("fast", question.model)
            found: Embedded = await self._pool.ask(candidates[:1], "batch", lambda runner: runner.embed(question))
            return found

    async def _describe(self, _: DescribePool) -> PoolState:
        return self._pool.describe()

    async def _load(self, asked: LoadModel) -> LoadedModel:
        return await self._pool.load(asked.name, asked.pin)

    async def _unload(self, asked: UnloadModel) -> LoadedModel:
        return await self._pool.unload(asked.name)

    async def _use(self, asked: UseModel) -> RoleState:
        return await self._pool.use(asked.role, asked.model)

    async def _describe_cache(self, _: DescribeCache) -> CacheState:
        return await self._plan.cache.state()

    async def _clear_cache(self, asked: ClearCache) -> int:
        return await self._plan.cache.clear(asked.model, asked.profile)

    @contextmanager
    def _under_way(self) -> Any:
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1
            self._answered.set()
