"""The front of the door: alive from the first moment, while the rooms behind it are still being loaded."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from services.api.policy import Policy, RouteTable, Row

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEALTHZ = "/healthz"
READYZ = "/readyz"
_FIRST = {path: Row("GET", path, Policy(None, rate="cheap")) for path in (HEALTHZ, READYZ)}
"""What is answered before the table of routes is there."""


class Front:
    """ASGI. `/healthz` asks nobody: it says that the event loop turns. The rest waits for the application."""

    def __init__(self) -> None:
        self._rooms: ASGIApp | None = None
        self.table: RouteTable | None = None
        """None until the rooms are there."""
        self._furnished = asyncio.Event()

    def furnish(self, rooms: ASGIApp, table: RouteTable) -> None:
        self._rooms = rooms
        self.table = table
        self._furnished.set()

    async def row(self, scope: Scope) -> Row | None:
        """What is asked for, as soon as that can be said; None: there is no such route."""
        if self.table is None:
            if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and scope["path"] in _FIRST:
                return _FIRST[scope["path"]]
            await self._furnished.wait()
        assert self.table is not None
        return self.table.find(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == HEALTHZ and scope["method"] in {"GET", "HEAD"}:
            await _answer(send, 200, {"status": "alive"})
            return
        if self._rooms is None and scope["type"] == "http" and scope["path"] == READYZ:
            await _answer(send, 503, {"status": "starting", "waiting_for": ["api"]})
            return
        await self._furnished.wait()
        assert self._rooms is not None
        await self._rooms(scope, receive, send)


async def _answer(send: Send, status: int, body: dict[str, object]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
