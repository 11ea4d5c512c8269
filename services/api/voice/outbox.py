"""What waits to be sent to one client: bounded, and closed with it when the client does not take it."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.websockets import WebSocket, WebSocketState

from services.api.voice.told import Sound, Told

MOST_MESSAGES = 2000
"""Messages without sound: minutes of an answer's text, token by token."""
MOST_SOUNDS = 32
"""Pieces of sound; whoever has more for the client waits until it has taken some."""
STALLED_S = 10.0
"""A client that takes nothing for so long is closed."""
SLOW = 1013


class SlowClient(Exception):
    """The client does not take what it is sent."""


class Outbox:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._waiting: deque[tuple[Told, bytes | None]] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._sounds = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def tell(self, message: Told) -> None:
        """Raises SlowClient."""
        if len(self._waiting) - self._sounds >= MOST_MESSAGES:
            raise SlowClient
        self._put(message, None)

    async def sound(self, header: Sound, pcm: bytes) -> None:
        await self._room.wait()
        self._sounds += 1
        if self._sounds >= MOST_SOUNDS:
            self._room.clear()
        self._put(header, pcm)

    def forget(self, turn: str) -> None:
        """Sound of this turn that still waits is not sent."""
        kept = [one for one in self._waiting if one[1] is None or not isinstance(one[0], Sound) or one[0].turn != turn]
        self._waiting = deque(kept)
        self._sounds = sum(pcm is not None for _, pcm in kept)
        self._room.set()

    async def run(self) -> None:
        """Sends, at the pace of the client. Raises SlowClient."""
        while True:
            await self._some.wait()
            while self._waiting:
                message, pcm = self._waiting.popleft()
                try:
                    async with asyncio.timeout(STALLED_S):
                        await self._send(message, pcm)
                except TimeoutError:
                    raise SlowClient from None
            self._some.clear()
            self._idle.set()

    async def empty(self) -> None:
        """Returns when everything has been sent."""
        await self._idle.wait()

    def _put(self, message: Told, pcm: bytes | None) -> None:
        self._waiting.append((message, pcm))
        self._idle.clear()
        self._some.set()

    async def _send(self, message: Told, pcm: bytes | None) -> None:
        if pcm is not None:
            self._sounds -= 1
            self._room.set()
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        await self._socket.send_text(message.model_dump_json())
        if pcm is not None:
            await self._socket.send_bytes(pcm)
