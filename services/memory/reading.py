"""Answers `ReadDocument` with a process that the first document starts and that ends when none has come for a while."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.messages.passages import Chunk, DocumentRead, ReadDocument
from solo.isolation.engine import EngineDied
from solo.isolation.on_demand import OnDemandEngine
from solo.isolation.process import EngineSpec
from solo.supervision import Context

WITHIN_S = 60.0
"""Longest that reading one document may take."""
IDLE_S = 120.0


@dataclass(frozen=True, slots=True)
class ReaderService:
    """A document that ends the process is tried once more, and then refused; one that does so again later is known."""

    engine: EngineSpec
    name: str = "documents"

    async def run(self, ctx: Context) -> None:
        process = OnDemandEngine(self.engine, idle_s=IDLE_S)
        ctx.engine = process.state
        one_at_a_time = asyncio.Lock()

        async def read(question: ReadDocument) -> DocumentRead:
            # The engine takes calls in order anyway: the time that a document has begins when its turn has come.
            async with one_at_a_time:
                try:
                    return await _read(process, question)
                except EngineDied:
                    return await _read(process, question)

        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(process.run())
            ctx.ready()
            await ctx.answer(ReadDocument, read)
            owner.cancel()


async def _read(process: OnDemandEngine, question: ReadDocument) -> DocumentRead:
    async with process.using() as engine:
        found = await engine.call("read", within=WITHIN_S, name=question.name, content=question.content)
    return DocumentRead(
        media_type=found["media_type"],
        pages=found["pages"],
        chunks=tuple(Chunk.model_validate(chunk) for chunk in found["chunks"]),
    )
