"""Answers `Transcribe` with one engine in a child process, or with several in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.messages.speech import DescribeTranscriber, SpokenSegment, Transcribe, Transcriber, Transcript
from services.stt.chain import Chain
from solo.errors import SoloError
from solo.isolation.on_demand import OnDemandEngine
from solo.isolation.process import EngineProcess, EngineSpec
from solo.isolation.standing import StandingEngine
from solo.supervision import Context, EngineState

IDLE_S = 600.0
"""Seconds that an engine behind the first stays after its last question."""


@dataclass(frozen=True, slots=True)
class STTService:
    """`engine` is there from the start; those behind it come when they are needed. With none the service crashes when
    it dies, and begins anew; with some it goes on, degraded until the first is back."""

    engine: EngineSpec
    behind: tuple[EngineSpec, ...] = ()
    others: tuple[str, ...] = ()
    """Names of the models behind."""
    multilingual: bool = False
    """One of those behind knows more than English."""
    name: str = "stt"

    async def run(self, ctx: Context) -> None:
        if not self.behind:
            async with EngineProcess(self.engine).running() as engine:
                ctx.engine = engine.state
                ctx.ready()
                await self._answer(ctx, Chain([_Held(engine)], ctx.log.warning), restarts=True)
            return
        first = StandingEngine(self.engine, lambda error: _say(ctx, error))
        others = [OnDemandEngine(spec, idle_s=IDLE_S) for spec in self.behind]
        ctx.engine = lambda: _shown(first, others)
        async with asyncio.TaskGroup() as tasks:
            engines = [tasks.create_task(first.run(), name="stt: first engine")]
            engines += [tasks.create_task(one.run(), name="stt: engine behind") for one in others]
            await self._answer(ctx, Chain([first, *others], ctx.log.warning), restarts=False)
            for each in engines:
                each.cancel()

    async def _answer(self, ctx: Context, chain: Chain, *, restarts: bool) -> None:
        async def transcribe(question: Transcribe) -> Transcript:
            engine, found = await chain.hear(question)
            shown = engine.state()
            return Transcript(
                text=found["text"],
                language=found["language"],
                engine=f"{shown.engine} {shown.model}",
                segments=tuple(SpokenSegment.model_validate(segment) for segment in found.get("segments", ())),
            )

        async def describe(_: DescribeTranscriber) -> Transcriber:
            engine = await chain.first()
            shown = engine.state()
            multilingual = self.multilingual or bool(engine.info.get("multilingual", False))
            return Transcriber(name=shown.model, engine=shown.engine, multilingual=multilingual, others=self.others)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.answer(Transcribe, transcribe, restarts=restarts))
            tasks.create_task(ctx.answer(DescribeTranscriber, describe, restarts=restarts))


class _Held:
    """An engine that is there in any case, as a place in the order."""

    def __init__(self, engine: EngineProcess) -> None:
        self.awake: EngineProcess | None = engine
        self._engine = engine

    @asynccontextmanager
    async def using(self) -> AsyncIterator[EngineProcess]:
        yield self._engine


def _say(ctx: Context, error: SoloError | None) -> None:
    if ctx.stopping.is_set():
        return
    if error is None:
        ctx.ready()
    else:
        ctx.degraded(f"{error.message}; another engine hears meanwhile, less well")


def _shown(first: StandingEngine, others: list[OnDemandEngine]) -> EngineState | None:
    """The first engine, and which of those behind it are there."""
    state = first.state()
    if state is None:
        return None
    awake = [one for one in (other.state() for other in others) if one is not None]
    behind = [f"{one.engine} {one.model}, pid {one.pid}" for one in awake]
    return state.model_copy(update={"info": state.info | {"behind": behind}})
