"""Answers `Embed`: questions by a process that is always there, documents by one that comes when they do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.messages.passages import Embed, Vectors
from solo.errors import SoloError
from solo.isolation.engine import EngineDied
from solo.isolation.on_demand import OnDemandEngine
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

MOST_TEXTS = 32
"""Texts in one call to the engine."""
WITHIN_S = 60.0
IDLE_S = 60.0


@dataclass(frozen=True, slots=True)
class EmbedderService:
    """A query never waits for documents: a batch of passages takes longer than a query may (eight of 180 tokens 360 ms
    on two busy cores, a query 10 ms), and an engine cannot be interrupted inside one."""

    engine: EngineSpec
    name: str = "embedder"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            bulk = OnDemandEngine(self.engine, idle_s=IDLE_S)
            batches = Batches(bulk)

            async def embed(question: Embed) -> Vectors:
                if question.background:
                    return await batches.embed(question.texts)
                parts = [
                    await engine.call("embed", within=WITHIN_S, texts=list(question.texts[at : at + MOST_TEXTS]))
                    for at in range(0, len(question.texts), MOST_TEXTS)
                ]
                return vectors(engine, b"".join(parts))

            async with asyncio.TaskGroup() as tasks:
                workers = [tasks.create_task(bulk.run()), tasks.create_task(batches.run())]
                ctx.ready()
                await ctx.answer(Embed, embed)
                for worker in workers:
                    worker.cancel()


def vectors(engine: EngineProcess, data: bytes) -> Vectors:
    return Vectors(model=str(engine.info["model"]), dimensions=int(engine.info["dimensions"]), data=data)


@dataclass(eq=False, slots=True)
class _Job:
    missing: int
    done: asyncio.Future[None]
    parts: dict[int, bytes] = field(default_factory=dict)
    engine: EngineProcess | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    job: _Job
    at: int
    texts: Sequence[str]
    alone: bool = False
    """It was in a batch that ended the engine: it is given no company again."""


class Batches:
    """Puts the texts of several askers together, since an engine is faster with many than with one at a time."""

    def __init__(self, engine: OnDemandEngine) -> None:
        self._engine = engine
        self._waiting: deque[_Piece] = deque()
        self._arrival = asyncio.Event()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        pieces = [texts[at : at + MOST_TEXTS] for at in range(0, len(texts), MOST_TEXTS)]
        job = _Job(len(pieces), asyncio.get_running_loop().create_future())
        self._waiting.extend(_Piece(job, at, piece) for at, piece in enumerate(pieces))
        self._arrival.set()
        try:
            await job.done
        finally:
            job.done.cancel()  # when the asker has left, what is waiting is not embedded
        assert job.engine is not None
        return vectors(job.engine, b"".join(job.parts[at] for at in range(len(pieces))))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            batch = self._next()
            if not batch:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            try:
                async with self._engine.using() as engine:
                    texts = [text for piece in batch for text in piece.texts]
                    data: bytes = await engine.call("embed", within=WITHIN_S, texts=texts)
            except SoloError as error:
                self._failed(batch, error)
            else:
                self._share_out(engine, batch, data)

    def _next(self) -> list[_Piece]:
        batch: list[_Piece] = []
        room = MOST_TEXTS
        while self._waiting:
            piece = self._waiting[0]
            if not piece.job.done.done():
                if len(piece.texts) > room or (batch and piece.alone):
                    break
                batch.append(piece)
                room -= len(piece.texts)
            self._waiting.popleft()
            if piece.alone and batch:
                break
        return batch

    def _failed(self, batch: list[_Piece], error: SoloError) -> None:
        if isinstance(error, EngineDied) and len(batch) > 1:
            self._waiting.extendleft(_Piece(piece.job, piece.at, piece.texts, alone=True) for piece in reversed(batch))
            return
        for piece in batch:
            if not piece.job.done.done():
                piece.job.done.set_exception(error)

    @staticmethod
    def _share_out(engine: EngineProcess, batch: list[_Piece], data: bytes) -> None:
        size = 4 * int(engine.info["dimensions"])
        at = 0
        for piece in batch:
            job, end = piece.job, at + size * len(piece.texts)
            job.parts[piece.at] = data[at:end]
            job.engine = engine
            job.missing -= 1
            if not job.missing and not job.done.done():
                job.done.set_result(None)
            at = end
