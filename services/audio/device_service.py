"""The local microphone and loudspeaker: one more source, like any satellite."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from services.audio.device import NoSoundDevice
from services.messages.audio import Attach, PlaybackStopped, SoundCaptured, SoundEnded
from solo.bus import Overflow
from solo.errors import SoloError
from solo.isolation.process import EngineProcess, EngineSpec
from solo.sound import BadSoundFile
from solo.supervision import Context
from solo.supervision.child import root_cause

SOURCE = "microphone"
_LOOK_AGAIN_S = 60.0
_FOREVER_S = 86_400.0
_FRAME_WITHIN_S = 5.0
"""A microphone that delivers nothing for this long is taken for lost, and reopened."""


@dataclass(frozen=True, slots=True)
class DeviceService:
    engine: EngineSpec
    name: str = "device"

    async def run(self, ctx: Context) -> None:
        """Without a device it says so and looks again from time to time: everything else works without."""
        while not ctx.stopping.is_set():
            try:
                await self._serve(ctx)
                return
            except* (NoSoundDevice, BadSoundFile) as group:
                error = root_cause(group)
                ctx.ready(note=error.line() if isinstance(error, SoloError) else str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await ctx.stopping.wait()

    async def _serve(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            stopped: set[str] = set()
            speaking = Speaking()
            async with asyncio.TaskGroup() as tasks:
                work = [
                    tasks.create_task(_capture(ctx, engine)),
                    tasks.create_task(_play(ctx, engine, stopped, speaking)),
                    tasks.create_task(_be_silent(ctx, engine, stopped, speaking)),
                ]
                ctx.ready()
                await ctx.stopping.wait()
                await speaking.over.wait()  # the last answer is heard to its end
                for task in work:
                    task.cancel()


async def _capture(ctx: Context, engine: EngineProcess) -> None:
    async with engine.stream("capture", within=_FRAME_WITHIN_S) as frames:
        async for pcm in frames:
            ctx.publish(SoundCaptured(source=SOURCE, pcm=pcm))
    ctx.publish(SoundEnded(source=SOURCE))


class Speaking:
    """Whether an answer is being played."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.over.set()


async def _play(ctx: Context, engine: EngineProcess, stopped: set[str], speaking: Speaking) -> None:
    async with ctx.stream(Attach(source=SOURCE, wake=True), within=_FOREVER_S) as sounds:
        async for sound in sounds:
            if sound.last:
                await engine.call("finish", within=30.0)
                speaking.over.set()
            elif sound.turn_id not in stopped:
                speaking.over.clear()
                await engine.call("play", within=30.0, pcm=sound.pcm, sample_rate=sound.sample_rate)


async def _be_silent(ctx: Context, engine: EngineProcess, stopped: set[str], speaking: Speaking) -> None:
    async with ctx.subscribe(PlaybackStopped, limit=16, overflow=Overflow.FAIL) as stops:
        async for stop in stops:
            if stop.source == SOURCE:
                if len(stopped) > 64:  # long over
                    stopped.clear()
                stopped.add(stop.stopped_turn or "")
                speaking.over.set()
                await engine.call("silence", within=2.0)
