"""Responses that take their time: whole ones of any kind, and bytes sent as they are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from fastapi import Request, Response

from services.api.openai.errors import refusal
from services.api.openai.live import Live
from solo.errors import SoloError
from solo.logs import get_logger

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}
_log = get_logger(part="sound")


class Made(Live):
    """One response, when it is done."""

    def __init__(self, request: Request, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__(request)
        self._make = make

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._make()
        except SoloError as error:
            response = await refusal(self._request, error)
        await response(scope, receive, send)


class Flow(Live):
    """Bytes as `parts` gives them. The status waits for the first, so that a failure before it has one of its own.

    A later failure is an event where there are `events`; otherwise the connection ends in the middle, which no client
    takes for a whole sound.
    """

    def __init__(
        self, request: Request, parts: Callable[[], AsyncGenerator[bytes, None]], headers: dict[str, str]
    ) -> None:
        super().__init__(request)
        self._parts = parts
        self._start = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._events = headers["content-type"].startswith("text/event-stream")
        self._started = False
        self._spoke = False

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._parts()) as parts:
                async for part in parts:
                    await self._say(send, part)
        except SoloError as error:
            refused = await refusal(self._request, error)
            if not self._started:
                await refused(scope, receive, send)
                return
            if not self._events:
                # Without the last word the server closes the connection.
                _log.warning("a sound could not be finished", code=error.code, reason=error.message)
                return
            await self._say(send, b"data: " + bytes(refused.body) + b"\n\n")
        await self._say(send, b"", more=False)

    async def quiet(self, send: Send) -> None:
        if self._events and not self._spoke:
            await self._say(send, b": still here\n\n")
        self._spoke = False

    async def _say(self, send: Send, part: bytes, *, more: bool = True) -> None:
        self._spoke = True
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self._start})
        await send({"type": "http.response.body", "body": part, "more_body": more})
