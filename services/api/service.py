"""Runs uvicorn on the open door, without its signal handlers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from services.api.figures import Counted, Traffic
from services.api.front import Front
from services.api.guard import RATE_HEADERS, Guard
from services.api.guards import identity, wire
from services.api.guards.hosts import Hosts, Proxies
from services.api.guards.journal import Journal
from services.api.guards.limits import Rates
from services.api.recent import RecentTurns
from services.messages.security import CredentialsChanged
from solo.bus import Overflow
from solo.supervision import Context

_LOOK_EVERY_S = 0.05


class _Server(uvicorn.Server):
    """Signals are the runner's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def abandon(self) -> None:
        """After a crash: a listener left open would go on accepting, and its callers would wait for nobody."""
        for listener in getattr(self, "servers", ()):
            listener.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


@dataclass(frozen=True, slots=True)
class Rules:
    """Of the guard, as the settings say."""

    hosts: Hosts
    origins: tuple[str, ...]
    """Of others' pages, whose scripts may read answers."""
    proxies: Proxies
    rates: Rates
    connections: int
    connections_per_address: int


@dataclass(frozen=True, slots=True)
class APIService:
    door: socket.socket
    key: str
    recent: RecentTurns
    drain_s: float
    rules: Rules
    traffic: Traffic
    name: str = "api"

    async def run(self, ctx: Context) -> None:
        sessions: set[object] = set()
        front = Front()
        guard = self._guard(ctx, front)
        config = uvicorn.Config(
            _readable(Counted(guard, self.traffic, lambda: front.table), self.rules.origins),
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=int(self.drain_s),
            **wire.limits(wire.Connections(self.rules.connections, self.rules.connections_per_address)),
        )
        server = _Server(config)
        try:
            async with asyncio.TaskGroup() as tasks:
                others = (
                    tasks.create_task(self.recent.follow(ctx)),
                    tasks.create_task(_watch(ctx, guard)),
                    tasks.create_task(guard.journal.run(ctx.stopping)),
                )
                # A duplicate, since uvicorn closes what it serves and the door outlives a crash.
                serving = tasks.create_task(server.serve(sockets=[self.door.dup()]))
                while not server.started:
                    await asyncio.sleep(0.01)
                # In a thread, since FastAPI takes its time: the door is open and the loop turns meanwhile.
                app = await asyncio.to_thread(_application, ctx, self.recent, sessions)
                front.furnish(app, app.state.table)
                ctx.ready()
                await ctx.stopping.wait()
                # uvicorn closes WebSockets at once; one whose turn is being answered may finish it first.
                while sessions:
                    await asyncio.sleep(_LOOK_EVERY_S)
                server.should_exit = True
                await serving
                for task in others:
                    task.cancel()
            await guard.journal.flush()
        finally:
            server.abandon()

    def _guard(self, ctx: Context, front: Front) -> Guard:
        rules = self.rules
        return Guard(
            front,
            rules.hosts,
            rules.proxies,
            rules.rates,
            identity.Identity(self.key, lambda question: ctx.request(question, within=identity.WITHIN_S)),
            Journal(lambda entries, within: ctx.request(entries, within=within), ctx.log),
        )


async def _watch(ctx: Context, guard: Guard) -> None:
    """None may be missed: a service that cannot keep up starts anew, and closes everything."""
    async with ctx.subscribe(CredentialsChanged, limit=1024, overflow=Overflow.FAIL, through_drain=True) as changes:
        async for change in changes:
            guard.changed(change)


def _readable(app: Any, origins: tuple[str, ...]) -> Any:
    """Lets browsers give answers to scripts of these pages (CORS). Not to those that came by cookie: such a page has
    a key of its own. The guard decides as ever; only a preflight is answered before it, which carries nothing."""
    if not origins:
        return app
    from starlette.middleware.cors import CORSMiddleware  # only where it is asked for

    return CORSMiddleware(
        app,
        allow_origins=[origin.lower() for origin in origins],
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("*",),
        expose_headers=("retry-after", "x-request-id", *RATE_HEADERS),
        max_age=600,
    )


def _application(ctx: Context, recent: RecentTurns, sessions: set[object]) -> Any:
    from services.api.house import House  # not at the top: half of the daemon's imports are FastAPI's
    from services.api.http import application

    return application(House(ctx, recent, sessions))
