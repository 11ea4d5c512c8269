"""What waits to be played by one source."""

from __future__ import annotations

import asyncio
from collections import deque

from services.messages.audio import SoundOut

AHEAD = 64
"""Pieces of an answer that wait for their source before the turn that makes them has to wait."""


class Mouth:
    def __init__(self) -> None:
        self._waiting: deque[SoundOut] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    async def put(self, sound: SoundOut) -> None:
        """Waits while `AHEAD` pieces are waiting; what comes after `close` is dropped."""
        while len(self._waiting) >= AHEAD and not self._closed:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(sound)
        self._changed.set()

    async def next(self) -> SoundOut | None:
        """The next piece; None after `close`, when nothing is left. Raises what it was closed with."""
        while not self._waiting and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        self._room.set()
        if self._waiting:
            return self._waiting.popleft()
        if self._error is not None:
            raise self._error
        return None

    def forget(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._room.set()

    def close(self, error: BaseException | None = None) -> None:
        self._closed = True
        self._error = error
        self._changed.set()
        self._room.set()
