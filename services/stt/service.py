"""Answers `Transcribe` with an engine in a child process."""

from __future__ import annotations

from dataclasses import dataclass

from services.messages.speech import Transcribe, Transcript
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class STTService:
    engine: EngineSpec
    name: str = "stt"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            shown = engine.state()

            async def transcribe(question: Transcribe) -> Transcript:
                found = await engine.call("transcribe", within=WITHIN_S, pcm=question.pcm)
                return Transcript(
                    text=found["text"], language=found["language"], engine=f"{shown.engine} {shown.model}"
                )

            ctx.ready()
            await ctx.answer(Transcribe, transcribe)
