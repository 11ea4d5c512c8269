"""Answers `ScoreSpeech` with an engine in a child process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.messages.audio import SourceClosed
from services.messages.speech import ScoreSpeech
from solo.bus import Overflow
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 15.0
"""Longer than it takes to notice that the engine hangs, so that this is what the asker hears."""


@dataclass(frozen=True, slots=True)
class VADService:
    engine: EngineSpec
    name: str = "vad"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state

            async def score(question: ScoreSpeech) -> tuple[float, ...]:
                if question.afresh:
                    await engine.call("reset", within=WITHIN_S, session=question.source)
                scores = await engine.call("feed", within=WITHIN_S, session=question.source, pcm=question.pcm)
                return tuple(scores)

            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ctx.answer(ScoreSpeech, score))
                tasks.create_task(_forget_closed(ctx, engine))


async def _forget_closed(ctx: Context, engine: EngineProcess) -> None:
    async with ctx.subscribe(SourceClosed, limit=64, overflow=Overflow.DROP_OLDEST) as closed:
        async for event in closed:
            await engine.call("close", within=WITHIN_S, session=event.source)
