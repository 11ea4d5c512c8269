"""Listens for the wake word in the sound of every source that waits for one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.messages.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, SoundHeard, SourceClosed, WakeWordHeard
from solo.bus import Overflow
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context

WITHIN_S = 15.0
"""Longer than it takes to notice that the engine hangs, so that this is what the asker hears."""
_QUIET_SAMPLES = SAMPLE_RATE
"""After a wake word others are ignored for 1 s: one utterance may sound like two of them."""
_MOST_SOURCES = 16
"""As many as an engine keeps sessions; the one unheard for longest goes, here and there."""


@dataclass(slots=True)
class WakeService:
    engine: EngineSpec
    name: str = "wake"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_listen(ctx, engine))
                tasks.create_task(_forget_closed(ctx, engine))


async def _listen(ctx: Context, engine: EngineProcess) -> None:
    # Samples of each source given to this engine so far: it counts those, and pieces may have been dropped.
    fed: dict[str, int] = {}
    woke: dict[str, int] = {}
    # 8 s of sound: what is older than that would wake up too late anyway.
    async with ctx.subscribe(SoundHeard, limit=50, overflow=Overflow.DROP_OLDEST) as sounds:
        async for sound in sounds:
            before = fed.pop(sound.source, 0)
            for found in await engine.call("feed", within=WITHIN_S, session=sound.source, pcm=sound.pcm):
                at = sound.start + found["at"] - before
                if at - woke.get(sound.source, -_QUIET_SAMPLES) < _QUIET_SAMPLES:
                    continue
                woke[sound.source] = at
                ctx.publish(WakeWordHeard(source=sound.source, word=found["word"], at=at))
            fed[sound.source] = before + len(sound.pcm) // BYTES_PER_SAMPLE
            if len(fed) > _MOST_SOURCES:
                oldest = next(iter(fed))
                fed.pop(oldest)
                woke.pop(oldest, None)


async def _forget_closed(ctx: Context, engine: EngineProcess) -> None:
    async with ctx.subscribe(SourceClosed, limit=64, overflow=Overflow.DROP_OLDEST) as closed:
        async for event in closed:
            await engine.call("close", within=WITHIN_S, session=event.source)
