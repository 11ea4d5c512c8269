"""Lets Wyoming's clients in, and holds on to the satellites of the settings."""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import dataclass, field
from typing import Any

from services.formats.wyoming.frames import MOST_LINE
from services.wyoming.door import Crowd, Peers
from services.wyoming.link import Link, PeerGone
from services.wyoming.refusals import Refusals
from services.wyoming.satellites.keeping import Keeper, Known
from services.wyoming.visit import Hall, Visit
from solo.egress import GUARD
from solo.errors import SoloError
from solo.supervision import Context, EngineState

_WHY = "a satellite (SOLO_WYOMING__SATELLITES)"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings say."""

    door: socket.socket | None
    """Listening; it outlives a crash of the service, so that clients wait in its queue."""
    peers: Peers = field(default_factory=lambda: Peers(()))
    satellites: tuple[Known, ...] = ()
    languages: tuple[str, ...] = ("en",)
    profile: str = "owner"
    seed: int | None = None


class WyomingService:
    name = "wyoming"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._hall = Hall(plan.languages, plan.profile)
        self._crowd = Crowd(plan.peers)
        self._refusals = Refusals()
        rng = random.Random(plan.seed)
        self._keepers = [Keeper(known, rng) for known in plan.satellites]
        self._visits = 0
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self, ctx: Context) -> None:
        ctx.engine = self._state
        with GUARD.allow(*(known.place.endpoint(_WHY) for known in self._plan.satellites)):
            async with asyncio.TaskGroup() as tasks:
                counting = tasks.create_task(self._refusals.run(ctx), name="wyoming: refusals")
                for keeper in self._keepers:
                    tasks.create_task(
                        keeper.run(ctx, self._hall.satellites, self._plan.profile), name=f"keeps {keeper.known.name}"
                    )
                server = await self._open(ctx, tasks)
                ctx.ready()
                await ctx.stopping.wait()
                if server is not None:
                    server.close()  # who is in is served to the end
                counting.cancel()

    async def _open(self, ctx: Context, tasks: asyncio.TaskGroup) -> asyncio.Server | None:
        if self._plan.door is None:
            return None

        def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(self._visit(ctx, Link(reader, writer)), name="wyoming client")

        return await asyncio.start_server(came, sock=self._plan.door.dup(), limit=MOST_LINE)

    async def _visit(self, ctx: Context, link: Link) -> None:
        try:
            self._crowd.enter(link.address)
        except SoloError as error:
            self._refusals.note(link.address, error)
            await link.refuse(error)
            await link.close()
            return
        self._visits += 1
        try:
            await Visit(ctx, link, self._hall).run()
        except PeerGone:
            return
        except SoloError as error:
            self._refusals.note(link.address, error)
            ctx.log.info("a Wyoming client was let go", address=link.address, code=error.code, why=error.message)
        finally:
            self._crowd.leave(link.address)
            await link.close()

    def _state(self) -> EngineState:
        door = self._plan.door
        where = "" if door is None else ":".join(map(str, door.getsockname()[:2]))
        return EngineState(engine="wyoming", model=where, info=self._figures())

    def _figures(self) -> dict[str, Any]:
        known = {keeper.known.name: keeper for keeper in self._keepers}
        shown: dict[str, dict[str, Any]] = {
            name: {
                "state": keeper.state(),
                "place": str(keeper.known.place),
                "room": keeper.known.room,
                "connections": keeper.connections,
            }
            for name, keeper in known.items()
        }
        for name, session in self._hall.satellites.items():
            about = shown.setdefault(name, {"state": "connected"})
            about |= {"does": session.state, "streaming": session.streaming, "turns": session.turns}
        return {
            "connections": self._crowd.total,
            "visits": self._visits,
            "refused": self._refusals.total,
            "satellites": shown,
        }
