"""Answers `JudgeTurnEnd` with a turn model in a child process."""

from __future__ import annotations

from dataclasses import dataclass

from services.messages.turntaking import JudgeTurnEnd, TurnEnd
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 5.0
_LEVEL = 0.5
"""Probability from which the model takes a turn for finished."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds of silence, from the last speech sample."""

    sure: float
    unsure: float
    unfinished: float


def wait_of(probability: float, waits: Waits) -> float:
    """From `unsure` at one half to `sure` at certainty; below one half the speaker is thinking."""
    if probability < _LEVEL:
        return waits.unfinished
    return waits.unsure + (waits.sure - waits.unsure) * (probability - _LEVEL) / (1 - _LEVEL)


@dataclass(frozen=True, slots=True)
class TurnsService:
    engine: EngineSpec
    waits: Waits
    name: str = "turns"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            shown = f"{engine.state().engine} {engine.state().model}"

            async def judge(question: JudgeTurnEnd) -> TurnEnd:
                probability = await engine.call("judge", within=WITHIN_S, pcm=question.pcm)
                return TurnEnd(probability=probability, wait_ms=wait_of(probability, self.waits), engine=shown)

            ctx.ready()
            await ctx.answer(JudgeTurnEnd, judge)
