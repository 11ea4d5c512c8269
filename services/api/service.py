"""Runs uvicorn on the open door, without its signal handlers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
import uvicorn.protocols.http.httptools_impl
import uvicorn.protocols.websockets.websockets_sansio_impl  # loaded now, not inside the running loop

from services.api.front import Front
from services.api.guard import Guard
from services.api.recent import RecentTurns
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
class APIService:
    door: socket.socket
    key: str
    recent: RecentTurns
    drain_s: float
    name: str = "api"

    async def run(self, ctx: Context) -> None:
        sessions: set[object] = set()
        front = Front()
        config = uvicorn.Config(
            Guard(front, key=self.key, port=self.door.getsockname()[1]),
            log_config=None,
            log_level="warning",
            http="httptools",
            access_log=False,
            proxy_headers=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=1024 * 1024,
            timeout_graceful_shutdown=int(self.drain_s),
        )
        server = _Server(config)
        try:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self.recent.follow(ctx))
                # A duplicate, since uvicorn closes what it serves and the door outlives a crash.
                serving = tasks.create_task(server.serve(sockets=[self.door.dup()]))
                while not server.started:
                    await asyncio.sleep(0.01)
                # In a thread, since FastAPI takes its time: the door is open and the loop turns meanwhile.
                front.furnish(await asyncio.to_thread(_application, ctx, self.recent, sessions))
                ctx.ready()
                await ctx.stopping.wait()
                # uvicorn closes WebSockets at once; one whose turn is being answered may finish it first.
                while sessions:
                    await asyncio.sleep(_LOOK_EVERY_S)
                server.should_exit = True
                await serving
                following.cancel()
        finally:
            server.abandon()


def _application(ctx: Context, recent: RecentTurns, sessions: set[object]) -> Any:
    from services.api.house import House  # not at the top: half of the daemon's imports are FastAPI's
    from services.api.http import application

    return application(House(ctx, recent, sessions))
