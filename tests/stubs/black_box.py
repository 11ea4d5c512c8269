"""A house with a black box in it, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.blackbox.service import BlackBoxService, Counts
from services.blackbox.shelf import Limits, Shelf
from services.messages.blackbox import KeptTurn, ListKeptTurns
from services.messages.conversation import Ask, TurnFinished
from solo.bus import Bus, Overflow
from solo.settings import MachineSettings
from solo.supervision import ServiceSpec
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.services import House, supervised
from tests.stubs.voice_house import Engines, Satellite, ask, house, until_gone

LIMITS = Limits(20, 10**8, 3600)


async def at_once(work: Callable[..., Any], *given: Any) -> Any:
    """Virtual time knows no threads."""
    return work(*given)


class Recorder:
    """A house with a black box in it."""

    def __init__(self, folder: Path, limits: Limits = LIMITS, engines: Engines | None = None) -> None:
        self.bus = Bus()
        self.counts = Counts()
        self.shelf = Shelf(folder, limits)
        self.engines = engines or Engines()
        self.machine = MachineSettings(state_dir=folder, _env_file=None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[House]:
        box = ServiceSpec(name="blackbox", make=lambda: BlackBoxService(self.shelf, self.counts, at_once))
        async with supervised(self.bus, box, *house(self.bus, self.engines, self.machine)) as running:
            await asyncio.sleep(0.1)
            yield running

    @asynccontextmanager
    async def satellite(self, **options: Any) -> AsyncIterator[Satellite]:
        satellite = Satellite(self.bus, **options)
        device = asyncio.create_task(satellite.run())
        yield satellite
        await until_gone(device)

    async def turn(self, satellite: Satellite, pcm: bytes | None = None) -> TurnFinished:
        async with self.bus.subscribe(TurnFinished, limit=10, overflow=Overflow.FAIL) as ends:
            satellite.say(pcm or ask())
            end = await anext(ends)
        await asyncio.sleep(6)
        return end

    async def typed(self, text: str, profile: str = "owner", talk: str = "default") -> None:
        async with self.bus.stream(Ask(text=text, profile=profile, talk=talk), within=60, by="api") as parts:
            async for _ in parts:
                pass
        await asyncio.sleep(3)

    async def kept(self, profile: str = "owner") -> tuple[KeptTurn, ...]:
        return await self.bus.request(ListKeptTurns(profile=profile), within=5)


def recording(folder: Path, play: Callable[[Recorder], Awaitable[None]], engines: Engines | None = None) -> list[Path]:
    """What `play` does in a house, as files; for tests that play them again, in a loop of their own."""
    recorder = Recorder(folder, engines=engines)

    async def run() -> None:
        async with recorder.running():
            await play(recorder)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    return sorted((folder / "turns").iterdir())
