"""Answers `Synthesize` with an engine in a child process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from services.messages.speech import ListVoices, SoundChunk, Synthesize, Voice
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
                wishes: dict[str, Any] = {} if question.speed == 1.0 else {"speed": question.speed}
                async with engine.stream("synthesize", within=WITHIN_S, text=question.text, **wishes) as pieces:
                    async for pcm in pieces:
                        yield SoundChunk(pcm=pcm, sample_rate=sample_rate, engine=f"{shown.engine} {shown.model}")

            async def voices(_: ListVoices) -> tuple[Voice, ...]:
                return (Voice(name=shown.model, engine=shown.engine, sample_rate=sample_rate),)

            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ctx.answer(Synthesize, synthesize))
                tasks.create_task(ctx.answer(ListVoices, voices))
