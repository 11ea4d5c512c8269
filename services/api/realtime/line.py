"""What a session says to its client: in order, bounded, at the pace of the client."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from itertools import count
from typing import Any

from starlette.websockets import WebSocket

from services.api.realtime.old import outward

SOFT_BYTES = 1024 * 1024
"""Waiting for the client, from when on nothing more is heard or made for it: 16 s of sound."""
HARD_BYTES = 4 * SOFT_BYTES
STALLED_S = 30.0
"""A client that takes nothing for so long is let go."""


class Stalled(Exception):
    """The client takes nothing."""


class Line:
    def __init__(self, socket: WebSocket, *, old: bool) -> None:
        """`old`: the client wants the names of before GA."""
        self.old = old
        self._socket = socket
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._numbers = count(1)
        self._ended = False

    def say(self, kind: str, **body: Any) -> None:
        """Never waits; who says much asks for `room` between."""
        event = {"type": kind, "event_id": f"event_{next(self._numbers)}", **body}
        for told in outward(event) if self.old else (event,):
            text = json.dumps(told, separators=(",", ":"))
            self._waiting.append(text)
            self._bytes += len(text)
        self._some.set()
        if self._bytes > SOFT_BYTES:
            self._room.clear()

    async def room(self) -> None:
        """Returns when the client has taken enough of what it was told."""
        await self._room.wait()

    def end(self) -> None:
        """`run` returns when everything has been sent."""
        self._ended = True
        self._some.set()

    async def run(self) -> None:
        """Raises Stalled."""
        while True:
            if self._bytes > HARD_BYTES:
                raise Stalled
            if not self._waiting:
                if self._ended:
                    return
                self._some.clear()
                await self._some.wait()
                continue
            text = self._waiting.popleft()
            try:
                async with asyncio.timeout(STALLED_S):
                    await self._socket.send_text(text)
            except TimeoutError:
                raise Stalled from None
            self._bytes -= len(text)
            if self._bytes <= SOFT_BYTES:
                self._room.set()
