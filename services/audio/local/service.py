"""The local microphone and loudspeaker: one more source, like any satellite, whose device may come and go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from services.audio.local.health import HealthPolicy
from services.audio.local.hearing import FILL_S, SOURCE
from services.audio.local.life import DeviceLife
from services.audio.local.playing import Playing
from services.audio.local.slot import DeviceSlot
from services.messages.audio import Attach, SoundEnded
from services.messages.device import DescribeDevice
from solo.isolation.process import EngineSpec
from solo.supervision import Context

BargeIn = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class DeviceService:
    engine: EngineSpec
    look: EngineSpec | None = None
    """Says, in a process of its own, whether the wanted device is back; None: there is no other than the one."""
    barge_in: BargeIn = "auto"
    policy: HealthPolicy = field(default_factory=HealthPolicy)
    name: str = "device"

    async def run(self, ctx: Context) -> None:
        """Without a device it says so and looks again from time to time: everything else works without."""
        slot = DeviceSlot()
        playing = Playing(ctx, slot)
        life = DeviceLife(ctx, self.engine, self.look, slot, playing, self.policy)
        ctx.engine = life.engine_state
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(life.keep(), name="device: keep open"),
                tasks.create_task(life.hearing.fill(), name="device: fill gaps"),
                tasks.create_task(self._be_a_source(ctx, slot, playing, life), name="device: source"),
                tasks.create_task(playing.report(), name="device: report"),
            ]
            tasks.create_task(playing.obey(), name="device: obey")
            tasks.create_task(ctx.answer(DescribeDevice, life.describe))
            await ctx.stopping.wait()
            await playing.over.wait()  # the last answer is heard to its end
            for task in work:
                task.cancel()

    async def _be_a_source(self, ctx: Context, slot: DeviceSlot, playing: Playing, life: DeviceLife) -> None:
        """From the first device on; it ends when there has been none for long, so that nobody counts on it."""
        while True:
            await slot.filled()
            attach = Attach(source=SOURCE, wake=True, barge_in=self._barge_in(str(slot.info.get("echo", "off"))))
            life.hearing.attached = True
            attached = asyncio.ensure_future(playing.attached(attach))
            gone = asyncio.ensure_future(slot.empty_for(FILL_S))
            try:
                await asyncio.wait({attached, gone}, return_when=asyncio.FIRST_COMPLETED)
                if attached.done():
                    await attached  # the audio service has ended it, or failed
                    await ctx.stopping.wait()
                    return
            finally:
                life.hearing.attached = False
                for task in (attached, gone):
                    task.cancel()
                await asyncio.gather(attached, gone, return_exceptions=True)
                ctx.publish(SoundEnded(source=SOURCE))

    def _barge_in(self, echo: str) -> bool:
        """By itself only where the loudspeaker is not heard: otherwise Solo would interrupt itself."""
        return self.barge_in == "on" or (self.barge_in == "auto" and echo in {"webrtc", "none"})
