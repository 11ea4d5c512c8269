"""One connection to a Wyoming peer: events in within limits, events out within deadlines."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from wyoming.error import Error
from wyoming.event import Event
from wyoming.ping import Pong

from services.formats.wyoming.frames import MOST_LINE, packed, receive
from services.formats.wyoming.place import Place
from solo.errors import SoloError

SEND_WITHIN_S = 10.0
"""For a peer to take what it is sent; one that reads nothing for so long is gone."""
REST_WITHIN_S = 20.0
"""For an event that has begun to be there whole."""
_CLOSE_WITHIN_S = 2.0
_MOST_PING = 1000
_UNSENT = 256 * 1024
"""Bytes that may wait for a peer before whoever sends them waits as well."""


class PeerGone(SoloError):
    """The Wyoming peer has left, or takes nothing any more."""

    code = "wyoming.peer_gone"


class Link:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sending = asyncio.Lock()
        peer = writer.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else "?"
        """Of the peer."""
        writer.transport.set_write_buffer_limits(high=_UNSENT)
        raw = writer.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    async def to(cls, place: Place, within: float) -> Link:
        """Raises OSError (also those of the guard of outbound connections) or TimeoutError."""
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(place.host, place.port, limit=MOST_LINE)
        return cls(reader, writer)

    async def receive(self, within: float) -> Event | None:
        """The next event; None when the peer has left. Raises `BadFrame`, or TimeoutError."""
        async with asyncio.timeout(within):
            return await receive(self._reader, REST_WITHIN_S)

    async def send(self, *events: Event) -> None:
        """Together; waits while the peer does not read. Raises `PeerGone`."""
        frames = b"".join(map(packed, events))
        async with self._sending:
            if self._writer.is_closing():
                raise PeerGone()
            self._writer.write(frames)
            try:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await self._writer.drain()
            except TimeoutError:
                self._writer.transport.abort()
                raise PeerGone(f"{self.address} has read nothing for {SEND_WITHIN_S:g} s") from None
            except OSError:
                raise PeerGone() from None

    async def refuse(self, error: SoloError) -> None:
        """Tell it what is wrong, as far as it still listens."""
        with suppress(PeerGone):
            await self.send(Error(text=error.message, code=error.code).event())

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._writer.wait_closed()
        except OSError:
            return
        except TimeoutError:
            self._writer.transport.abort()


def pong(ping: Event) -> Event:
    """The answer to a `ping`, with what it carries, where that is a few words."""
    text = ping.data.get("text")
    return Pong(text=text if isinstance(text, str) and len(text) <= _MOST_PING else None).event()


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first in the groups that task groups make."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
