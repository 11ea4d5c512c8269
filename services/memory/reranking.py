"""Answers `Rerank` with a process that is always there, since somebody waits for every answer."""

from __future__ import annotations

from dataclasses import dataclass

from services.messages.reranking import Rerank
from solo.bus import DeadlineExceeded
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class RerankerService:
    engine: EngineSpec
    name: str = "reranker"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state

            async def rerank(question: Rerank) -> tuple[float, ...]:
                texts = list(question.texts)
                scores = await engine.call("rerank", within=WITHIN_S, query=question.query, texts=texts)
                if len(scores) != len(texts):  # the engine saw a moment before the daemon that it is too late
                    raise DeadlineExceeded("the reranker did not come to the end in time")
                return tuple(scores)

            ctx.ready()
            await ctx.answer(Rerank, rerank)
