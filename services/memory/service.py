"""Answers everything that is asked of the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from services.memory.facts.fact_store import FactStore
from services.memory.facts.facts import Facts
from services.memory.former import Cook, FormerEmbedder
from services.memory.indexing import Indexing
from services.memory.ingest import Ingesting
from services.memory.learning import Extract, Learning
from services.memory.recalling import Recalling
from services.memory.store import DocumentStore
from services.messages.facts import EditFact, Fact, ListFacts, Remember
from services.messages.memory import (
    DescribeMemory,
    Forget,
    Forgotten,
    Ingest,
    IngestProgress,
    ListCollections,
    ListDocuments,
    MemoryState,
    Recall,
    Reindex,
    Search,
)
from solo.errors import SoloError
from solo.storage import Database
from solo.supervision import Context

ANSWERS = (
    Ingest, Search, Recall, Remember, EditFact, ListFacts, Forget, ListCollections, ListDocuments, DescribeMemory,
    Reindex,
)  # fmt: skip
MOST_INGESTS = 8
"""Documents taken in at once; more are told to come back, which bounds what waits in memory."""


class NothingToForget(SoloError):
    """It was not said what to forget."""

    code = "memory.nothing_named"


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What the service is made of."""

    database: Database
    store: Callable[[], DocumentStore]
    extract: Extract
    min_score: float
    most_bytes: int
    recipe: dict[str, Any]
    """Of the embedder in use."""
    cook: Cook
    """Makes a former embedder of its recipe."""
    reranks: bool = False
    """There is a reranker."""


class MemoryService:
    """Ready although the database may be away: then requests fail with DatabaseUnavailable, and what goes on in the
    background tries again."""

    name = "memory"

    def __init__(self, plan: MemoryPlan) -> None:
        self._plan = plan

    async def run(self, ctx: Context) -> None:
        plan = self._plan
        self._store = plan.store()
        self._fact_store = FactStore(plan.database)
        self._indexing = Indexing(ctx, self._store, FormerEmbedder(self._fact_store.recipe, plan.cook))
        self._facts = Facts(ctx, self._fact_store, self._indexing.look_after)
        self._recalling = Recalling(ctx, self._store, self._indexing, self._facts, plan.min_score, reranks=plan.reranks)
        self._ingesting = Ingesting(ctx, self._store, self._indexing, most_bytes=plan.most_bytes)
        learning = Learning(ctx, plan.database, self._facts, plan.extract)
        ctx.ready()
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(self._store.run(ctx), name="memory: store"),
                    tasks.create_task(self._indexing.run(self._met), name="memory: index"),
                    tasks.create_task(learning.run(), name="memory: learning"),
                ]
                await self._answer(ctx)
                for task in background:
                    task.cancel()
        finally:
            await self._facts.close()
            await self._recalling.close()

    async def _answer(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.answer(Ingest, self._ingest, limit=MOST_INGESTS))
            tasks.create_task(ctx.answer(Search, self._recalling.search))
            tasks.create_task(ctx.answer(Recall, self._recalling.recall))
            tasks.create_task(ctx.answer(Remember, self._remember))
            tasks.create_task(ctx.answer(EditFact, self._facts.edit))
            tasks.create_task(ctx.answer(ListFacts, lambda asked: self._facts.listed(asked.profile, asked.limit)))
            tasks.create_task(ctx.answer(Forget, self._forget))
            tasks.create_task(ctx.answer(ListCollections, self._collections))
            tasks.create_task(ctx.answer(ListDocuments, self._documents))
            tasks.create_task(ctx.answer(DescribeMemory, self._describe))
            tasks.create_task(ctx.answer(Reindex, self._reindex))

    async def _met(self, embedder: str) -> None:
        """The embedder in use is known: what it was made of is written down, and the facts get its vectors."""
        await self._fact_store.keep_recipe(embedder, self._plan.recipe)
        await self._facts.embed_all(embedder)

    async def _ingest(self, asked: Ingest) -> AsyncGenerator[IngestProgress, None]:
        async for step in self._ingesting.take_in(asked):
            if step.result is not None and step.result.verdict in {"stored", "replaced"}:
                self._recalling.changed(asked.profile)
            yield step

    async def _remember(self, asked: Remember) -> Fact:
        fact, _ = await self._facts.remember(asked)
        return fact

    async def _forget(self, asked: Forget) -> Forgotten:
        if asked.fact_id is not None and asked.document is None and asked.collection is None:
            return Forgotten(facts=await self._facts.forget(asked.profile, asked.fact_id))
        if asked.fact_id is not None or (asked.document is None and asked.collection is None):
            raise NothingToForget(hint="Name a fact, or a document, or a collection.")
        try:
            gone = await self._store.forget(asked.profile, asked.collection, asked.document)
        finally:
            self._recalling.changed(asked.profile)
        return Forgotten(documents=gone)

    async def _collections(self, asked: ListCollections) -> tuple[Any, ...]:
        return tuple(await self._store.collections(asked.profile))

    async def _documents(self, asked: ListDocuments) -> tuple[Any, ...]:
        return tuple(await self._store.documents(asked.profile, asked.collection, asked.limit))

    async def _describe(self, _: DescribeMemory) -> MemoryState:
        return MemoryState(
            store=self._store.name,
            embedder=self._indexing.embedder,
            indexes=await self._indexing.states(),
            facts=await self._fact_store.count(),
            documents=await self._store.count(),
            note=self._indexing.note(),
        )

    async def _reindex(self, _: Reindex) -> MemoryState:
        self._indexing.rebuild()
        return await self._describe(DescribeMemory())
