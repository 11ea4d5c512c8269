"""Keeps the usual voice, an engine in a child process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from services.messages.speech import SoundChunk
from services.messages.voices import SpeakUsual
from services.tts.speaking import spoken
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context


@dataclass(frozen=True, slots=True)
class TTSService:
    engine: EngineSpec
    name: str = "tts"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state

            async def speak(question: SpeakUsual) -> AsyncGenerator[SoundChunk, None]:
                async with aclosing(spoken(engine, question.text, question.speed)) as sounds:
                    async for sound in sounds:
                        yield sound

            ctx.ready()
            await ctx.answer(SpeakUsual, speak)
