"""What goes out and comes in of a request that was let in, with what the guard adds to it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from services.api.guards.refusals import TOO_BIG, Header, KeyMissing, TooLarge, refuse
from services.api.guards.sockets import Opened

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

SECURITY: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_NO_STORE = (b"cache-control", b"no-store")


def with_headers(theirs: Any, ours: list[Header]) -> list[Header]:
    """Those of the application first; of ours those that it did not set."""
    headers = [(bytes(name), bytes(value)) for name, value in theirs]
    named = {name.lower() for name, _ in headers}
    return headers + [header for header in (*ours, *SECURITY, _NO_STORE) if header[0] not in named]


async def nothing() -> None:
    """Instead of a message that is not sent any more."""


class Answer:
    """An HTTP answer: only its start is touched, so that a token of a stream costs one comparison."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: list[Header], most: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = headers
        self._most = most
        self._taken = 0
        self._refused = False
        self.opened: Opened | None = None
        """Set once it is known who asks."""
        self.too_large = False
        self.status = 0
        """0: it has not started."""

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            return self._start(message)
        return nothing() if self._refused else self._send(message)

    async def receive(self) -> Message:
        """Bodies that do not say how long they are: counted; one too long ends as if the client had left."""
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken <= self._most:
            return message
        self.too_large = True
        return {"type": "http.disconnect"}

    async def _start(self, message: Message) -> None:
        opened = self.opened
        if self.too_large:
            await self.refuse_too_large()
            return
        if opened is not None and not any(name.lower() == b"content-length" for name, _ in message.get("headers", ())):
            if opened.ended:  # meanwhile: no stream begins for who may have none any more
                self._refused, self.status = True, 401
                await refuse(self._scope, self._send, KeyMissing(), with_headers((), self._headers))
                return
            opened.last()
        self.status = message["status"]
        await self._send({**message, "headers": with_headers(message.get("headers", ()), self._headers)})

    async def refuse_too_large(self) -> None:
        """Instead of what the application makes of half a body."""
        if not self.status:
            self._refused, self.status = True, 413
            await refuse(self._scope, self._send, TooLarge(), with_headers((), self._headers))

    async def end(self) -> None:
        """The last of a stream that is cut off."""
        if self.status and not self._refused:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class Channel:
    """A WebSocket, which the guard may have accepted itself in order to hear who it is."""

    def __init__(self, receive: Receive, send: Send, headers: list[Header], subprotocol: str | None) -> None:
        self._receive = receive
        self._send = send
        self._headers = headers
        self._subprotocol = subprotocol
        self._connected: Message | None = None
        """Already taken in by the guard, still to be seen by the application."""
        self._accepted = False
        """On the wire; `_open` is what the application knows of it."""
        self._open = False
        self._closed = False
        self.most = 0

    @property
    def accepted(self) -> bool:
        return self._accepted

    async def accept(self) -> None:
        """Before the application knows of it."""
        self._connected = await self._receive()
        await self._send({"type": "websocket.accept", "subprotocol": self._subprotocol, "headers": self._headers})
        self._accepted = True

    async def first(self) -> Message:
        return await self._receive()

    async def receive(self) -> Message:
        if self._connected is not None:
            connected, self._connected = self._connected, None
            return connected
        message = await self._receive()
        if message["type"] == "websocket.receive" and self._is_too_big(message):
            await self.close(TOO_BIG, TooLarge.code)
            return {"type": "websocket.disconnect", "code": TOO_BIG}
        return message

    def send(self, message: Message) -> Awaitable[None]:
        if not self._open:
            return self._opening(message)
        return nothing() if self._closed else self._send(message)

    async def _opening(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._open = True
            if not self._accepted:
                self._accepted = True
                headers = [*message.get("headers", ()), *self._headers]
                subprotocol = message.get("subprotocol") or self._subprotocol
                await self._send({**message, "subprotocol": subprotocol, "headers": headers})
        elif not self._accepted:
            if kind == "websocket.http.response.start":
                message = {**message, "headers": with_headers(message.get("headers", ()), self._headers)}
            await self._send(message)
        elif not kind.startswith("websocket.http.response"):
            # The handshake is over: what would have been its refusal is a close.
            await self.close(
                4404 if message.get("code", 1000) == 1000 else message["code"], message.get("reason") or ""
            )
        elif kind == "websocket.http.response.start":
            await self.close(4000 + message["status"], "")

    async def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._open = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _is_too_big(self, message: Message) -> bool:
        if (data := message.get("bytes")) is not None:
            return len(data) > self.most
        text = message.get("text") or ""
        return 4 * len(text) > self.most and len(text.encode()) > self.most
