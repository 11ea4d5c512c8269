"""A house whose language models say what they are told to, with OpenAI's routes before it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import ASGIApp

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.language import (
    Complete,
    CompletionEnd,
    Counted,
    CountTokens,
    Embedded,
    EmbedTexts,
    Receipt,
    TextDelta,
)  # fmt: skip
from services.messages.memory import DescribeMemory, MemoryState
from services.messages.models import ListModels, ModelFile
from services.messages.passages import Embed, Vectors
from services.messages.pool import DescribePool, PoolState
from services.messages.reranking import Rerank
from services.messages.security import OWNER_PRINCIPAL, Principal
from solo.errors import SoloError
from solo.supervision import Context
from tests.stubs.callers import as_caller

RECEIPT = Receipt(system=1, history=0, question=3, template=2, dropped_messages=0, cached=2)


def end(**more: Any) -> CompletionEnd:
    known: dict[str, Any] = {"finish": "stop", "prompt_tokens": 6, "cached_tokens": 2, "completion_tokens": 3}
    times = {"prefill_s": 0.1, "decode_s": 0.2, "receipt": RECEIPT, "engine": "stub", "model": "tiny"}
    return CompletionEnd(**{**known, **times, **more})


@dataclass
class Models:
    """`parts` are said one after the other: deltas, the end, a number of seconds to wait, or an error to raise."""

    parts: list[Any] = field(default_factory=lambda: [*map(delta, ("Pa", "ris", " ✓")), end()])
    asked: list[Any] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """An answer was left before its end."""
    said: int = 0
    """Parts that were taken, or can be."""
    pool: PoolState | SoloError | None = None
    files: tuple[ModelFile, ...] | SoloError | None = None
    embedder: str = ""
    """Name of the memory's; empty: there is none."""
    reranks: bool = False
    app: ASGIApp | None = None
    """The application without its caller."""

    async def complete(self, question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        self.asked.append(question)
        try:
            for part in self.parts:
                if isinstance(part, SoloError):
                    raise part
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    self.said += 1
                    yield part
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    async def embed(self, question: EmbedTexts) -> Embedded:
        self.asked.append(question)
        try:
            for part in self.parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
        except asyncio.CancelledError:
            self.left.set()
            raise
        return Embedded(vectors=tuple((0.6, -0.8) for _ in question.texts), tokens=7, model="tiny")

    async def count(self, question: CountTokens) -> Counted:
        self.asked.append(question)
        return Counted(tokens=17, context=2048)

    async def vectors(self, question: Embed) -> Vectors:
        """Texts that share a first letter point the same way."""
        self.asked.append(question)
        rows = [(1.0, 0.0) if text[:1] in "fF" else (0.0, 1.0) for text in question.texts]
        data = b"".join(struct.pack("<2f", *row) for row in rows)
        return Vectors(model=self.embedder, dimensions=2, data=data)

    async def memory(self, _: DescribeMemory) -> MemoryState:
        return MemoryState(store="stub", embedder=self.embedder, indexes=(), facts=0, documents=0)

    async def rerank(self, question: Rerank) -> tuple[float, ...]:
        self.asked.append(question)
        return tuple(len(text) / 100 for text in question.texts)

    async def describe(self, _: DescribePool) -> PoolState:
        if not isinstance(self.pool, PoolState):
            raise self.pool or RuntimeError("not asked where there is none")
        return self.pool

    async def list_files(self, _: ListModels) -> tuple[ModelFile, ...]:
        if not isinstance(self.files, tuple):
            raise self.files or RuntimeError("not asked where there is none")
        return self.files


def delta(text: str, **more: Any) -> TextDelta:
    return TextDelta(text=text, **more)


@asynccontextmanager
async def models(ctx: Context, who: Principal = OWNER_PRINCIPAL, **known: Any) -> AsyncIterator[tuple[ASGIApp, Models]]:
    """The application, with what is known of the models answering behind it."""
    played = Models(**known)
    answers: dict[type[Any], Callable[[Any], Any]] = {
        Complete: played.complete,
        EmbedTexts: played.embed,
        CountTokens: played.count,
    }
    if played.embedder:
        answers |= {Embed: played.vectors, DescribeMemory: played.memory}
    if played.reranks:
        answers[Rerank] = played.rerank
    if played.pool is not None:
        answers[DescribePool] = played.describe
    if played.files is not None:
        answers[ListModels] = played.list_files
    app = played.app = application(House(ctx, RecentTurns(), set()))
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(ctx.answer(kind, answer)) for kind, answer in answers.items()]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield as_caller(app, who), played
        for task in serving:
            task.cancel()


@asynccontextmanager
async def door(ctx: Context, **known: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Models]]:
    """A client of it."""
    async with models(ctx, **known) as (app, played):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            yield client, played
