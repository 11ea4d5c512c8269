"""Holds on to one satellite: connects, asks whether it is alive, and connects again when it is not, for ever."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from wyoming.error import Error
from wyoming.info import Describe
from wyoming.ping import Ping

from services.formats.wyoming.frames import BadEvent
from services.formats.wyoming.place import Place
from services.wyoming.link import Link, PeerGone, pong
from services.wyoming.satellites.session import Session
from services.wyoming.satellites.told import Told
from solo.errors import SoloError
from solo.supervision import Context

CONNECT_WITHIN_S = 2.0
PING_EVERY_S = 2.0
PONG_WITHIN_S = 5.0
"""A satellite that does not answer for so long is gone, whatever its connection says."""
FIRST_PAUSE_S = 0.2
MOST_PAUSE_S = 2.0
"""Between two attempts: one that comes back is found within 3 s."""
JITTER = 0.2
"""Share by which a pause varies, so that satellites which went together do not come together."""
HEALTHY_AFTER_S = 2.0
"""A connection that lasted so long makes the next pause the first again."""


def pause(failures: int, rng: random.Random) -> float:
    """Seconds before the next attempt after so many that failed in a row, from 1."""
    plain = min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(max(failures, 1) - 1, 16))
    return plain * (1.0 + rng.uniform(-JITTER, JITTER))


class PeerSilent(SoloError):
    """The satellite does not answer any more, though its connection stands."""

    code = "wyoming.peer_silent"


@dataclass(frozen=True, slots=True)
class Known:
    """A satellite of the settings."""

    name: str
    place: Place
    room: str | None


class Keeper:
    def __init__(self, known: Known, rng: random.Random) -> None:
        self.known = known
        self.connected = False
        self.connections = 0
        self.problem = ""
        """Why it is not connected; empty: it is, or nothing has been tried yet."""
        self._rng = rng

    async def run(self, ctx: Context, satellites: dict[str, Session], profile: str) -> None:
        """Until Solo stops."""
        failures = 0
        while not ctx.stopping.is_set():
            began = _now()
            try:
                link = await Link.to(self.known.place, CONNECT_WITHIN_S)
                try:
                    await self._visit(ctx, link, satellites, profile)
                finally:
                    self.connected = False
                    await link.close()
            except TimeoutError:
                self._failed(ctx, f"no connection within {CONNECT_WITHIN_S:g} s")
            except SoloError as error:
                self._failed(ctx, error.message)
            except OSError as error:
                self._failed(ctx, error.strerror or str(error))
            failures = 1 if _now() - began > HEALTHY_AFTER_S else failures + 1
            if await ctx.stopping_within(pause(failures, self._rng)):
                return

    def state(self) -> str:
        return "connected" if self.connected else f"away: {self.problem}" if self.problem else "connecting"

    def _failed(self, ctx: Context, why: str) -> None:
        if why != self.problem and not ctx.stopping.is_set():  # said once, not every two seconds
            ctx.log.warning("a satellite is away", satellite=self.known.name, place=str(self.known.place), why=why)
        self.problem = why

    async def _visit(self, ctx: Context, link: Link, satellites: dict[str, Session], profile: str) -> None:
        told = Told(self.known.name, self.known.room)
        session = Session(ctx, link, told, satellites, profile, name=self.known.name)
        heart = _Heart(link)
        work = [
            asyncio.create_task(session.run(), name=f"satellite {self.known.name}"),
            asyncio.create_task(_read(link, session, heart), name=f"reads satellite {self.known.name}"),
            asyncio.create_task(heart.beat(), name=f"pings satellite {self.known.name}"),
        ]
        try:
            await link.send(Describe().event())
            self.connected, self.problem = True, ""
            self.connections += 1
            ctx.log.info("a satellite is there", satellite=self.known.name, place=str(self.known.place))
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


class _Heart:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._alive = asyncio.Event()

    def alive(self) -> None:
        self._alive.set()

    async def beat(self) -> None:
        while True:
            self._alive.clear()
            await self._link.send(Ping().event())
            try:
                async with asyncio.timeout(PONG_WITHIN_S):
                    await self._alive.wait()
            except TimeoutError:
                raise PeerSilent(f"no answer to a ping within {PONG_WITHIN_S:g} s") from None
            await asyncio.sleep(PING_EVERY_S)


async def _read(link: Link, session: Session, heart: _Heart) -> None:
    while True:
        event = await link.receive(PING_EVERY_S + 2 * PONG_WITHIN_S)
        if event is None:
            raise PeerGone("it closed the connection")
        if event.type == "pong":
            heart.alive()
        elif event.type == "ping":
            await link.send(pong(event))
        else:
            try:
                await session.take(event)
            except BadEvent as error:
                await link.send(Error(text=error.message, code=error.code).event())


def _now() -> float:
    return asyncio.get_running_loop().time()
