"""Answers `Synthesize` with an engine in a child process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from services.messages.speech import SoundChunk, Synthesize
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class TTSService:
    engine: EngineSpec
    name: str = "tts"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            shown = engine.state()
            sample_rate = int(engine.info["sample_rate"])

            async def synthesize(question: Synthesize) -> AsyncGenerator[SoundChunk, None]:
                async with engine.stream("synthesize", within=WITHIN_S, text=question.text) as pieces:
                    async for pcm in pieces:
                        yield SoundChunk(pcm=pcm, sample_rate=sample_rate, engine=f"{shown.engine} {shown.model}")

            ctx.ready()
            await ctx.answer(Synthesize, synthesize)
