"""The front of the door: alive from the first moment, while the rooms behind it are still being loaded."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEALTHZ = "/healthz"
READYZ = "/readyz"


class Front:
    """ASGI. `/healthz` asks nobody: it says that the event loop turns. The rest waits for the application."""

    def __init__(self) -> None:
        self._rooms: ASGIApp | None = None
        self._furnished = asyncio.Event()

    def furnish(self, rooms: ASGIApp) -> None:
        self._rooms = rooms
        self._furnished.set()

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
