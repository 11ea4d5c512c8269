"""Answers `Transcribe` with an engine in a child process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from services.messages.speech import DescribeTranscriber, SpokenSegment, Transcribe, Transcriber, Transcript
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 30.0
_WISHES = {"language", "prompt", "translate", "temperature", "details"}


@dataclass(frozen=True, slots=True)
class STTService:
    engine: EngineSpec
    name: str = "stt"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            shown = engine.state()

            async def transcribe(question: Transcribe) -> Transcript:
                found = await engine.call("transcribe", within=WITHIN_S, pcm=question.pcm, **_wishes(question))
                return Transcript(
                    text=found["text"],
                    language=found["language"],
                    engine=f"{shown.engine} {shown.model}",
                    segments=tuple(SpokenSegment.model_validate(segment) for segment in found.get("segments", ())),
                )

            async def describe(_: DescribeTranscriber) -> Transcriber:
                multilingual = bool(engine.info.get("multilingual", False))
                return Transcriber(name=shown.model, engine=shown.engine, multilingual=multilingual)

            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ctx.answer(Transcribe, transcribe))
                tasks.create_task(ctx.answer(DescribeTranscriber, describe))


def _wishes(question: Transcribe) -> dict[str, Any]:
    """What the asker wants otherwise than usual: a turn, which wants nothing, sends no more than its sound."""
    return question.model_dump(include=_WISHES, exclude_defaults=True)
