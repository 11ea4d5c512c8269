"""Limits below ASGI: how many connections, how large a request's head, how long it may take to arrive."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_HEAD_BYTES = 64 * 1024
"""Request line and headers; nginx takes 32 KiB in all by default (large_client_header_buffers 4 8k)."""
MOST_MESSAGE_BYTES = 1024 * 1024
"""Of a WebSocket, before anybody knows whose it is; the policies of the routes may be narrower."""
HEAD_WITHIN_S = 10.0
"""From the connection, or the first byte of the next request on it, to the end of the head."""
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 5\r\ncontent-length: 20\r\n"
    b"connection: close\r\n\r\ntoo many connections"
)
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 16\r\n"
    b"connection: close\r\n\r\nheaders too long"
)
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Connections:
    """Counts those that are open, WebSockets among them."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._addresses: dict[asyncio.BaseTransport, str] = {}
        self._counts: Counter[str] = Counter()
        self.refused = 0

    def __len__(self) -> int:
        return len(self._addresses)

    def take(self, transport: asyncio.BaseTransport) -> bool:
        """False: there are too many. Loopback is one address with all of the machine behind it: only the sum counts."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        crowded = self._counts[address] >= self._most_per_address and not _loopback(address)
        if crowded or len(self._addresses) >= self._most:
            self.refused += 1
            return False
        self._addresses[transport] = address
        self._counts[address] += 1
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        address = self._addresses.pop(transport, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == ""  # a socket of the file system has none


def protocols(
    connections: Connections, *, head_within_s: float = HEAD_WITHIN_S
) -> tuple[type[HttpToolsProtocol], type[WebSocketsSansIOProtocol]]:
    """uvicorn's two protocols with these limits; it takes classes, so they are made here."""

    class LimitedHTTP(HttpToolsProtocol):
        _head = 0
        """Bytes of the head that has begun; -1 when none has."""
        _deadline: asyncio.TimerHandle | None = None
        _refused = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if connections.take(transport):
                self._begin()
            else:
                self._refuse(_BUSY)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.leave(self.transport)
            self._done()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._refused:
                return
            begun = self._head >= 0  # a piece may be the end of a body and the beginning of a head
            super().data_received(data)
            if begun and self._head >= 0:
                self._head += len(data)
                if self._head > MOST_HEAD_BYTES:
                    self._refuse(_HEAD_TOO_LARGE)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._begin()

        def on_headers_complete(self) -> None:
            self._done()
            if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)
                return
            super().on_headers_complete()

        def handle_websocket_upgrade(self) -> None:
            if not self._refused:
                super().handle_websocket_upgrade()

        def on_body(self, body: bytes) -> None:
            if not self._refused:
                super().on_body(body)

        def on_message_complete(self) -> None:
            if not self._refused:
                super().on_message_complete()

        def _begin(self) -> None:
            self._done()
            self._head = 0
            self._deadline = self.loop.call_later(head_within_s, self._refuse, _TOO_SLOW)

        def _done(self) -> None:
            self._head = -1
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _refuse(self, answer: bytes) -> None:
            self._refused = True
            self._done()
            # Where an answer to an earlier request is still under way, ours would end up in the middle of it.
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(answer)
            self.transport.close()

    class LimitedWebSocket(WebSocketsSansIOProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            connections.leave(self.transport)
            super().connection_lost(exc)

    return LimitedHTTP, LimitedWebSocket


def limits(connections: Connections) -> dict[str, Any]:
    """What `uvicorn.Config` is told."""
    http, websocket = protocols(connections)
    return {
        "http": http,
        "ws": websocket,
        "timeout_keep_alive": 30,  # longer than clients keep theirs (httpx: 5 s), so that it is they who close
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "ws_max_size": MOST_MESSAGE_BYTES,
        "ws_per_message_deflate": False,  # costs time for each token and memory for each socket
        "server_header": False,
    }
