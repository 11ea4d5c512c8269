"""Responses that are still being made while they are sent: a caller who leaves ends the work at once."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import Request, Response

from services.api.openai.errors import refusal
from solo.errors import SoloError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PING_S = 15.0
"""Seconds of silence after which a stream gives a sign of life, so that nothing on its way closes it."""


class Live(Response):
    """ASGI, without Starlette's layers between: each costs a good part of what a token may cost."""

    def __init__(self, request: Request) -> None:
        self.background = None
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self.tell(scope, receive, send))
            watching = tasks.create_task(self._watch(receive, send, telling))
            telling.add_done_callback(lambda _: watching.cancel())

    @abstractmethod
    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make and send the response; cancelled when the caller leaves."""

    async def quiet(self, send: Send) -> None:
        """Nothing has happened for `PING_S` seconds."""

    async def _watch(self, receive: Receive, send: Send, telling: asyncio.Task[None]) -> None:
        while not telling.done():
            try:
                async with asyncio.timeout(PING_S):
                    message = await receive()
            except TimeoutError:
                await self.quiet(send)
                continue
            if message["type"] == "http.disconnect":
                telling.cancel()
                return


class Whole(Live):
    """JSON that takes its time."""

    def __init__(self, request: Request, make: Callable[[], Awaitable[bytes]]) -> None:
        super().__init__(request)
        self._make = make

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response
        try:
            response = Response(await self._make(), media_type="application/json")
            if tag := scope.get("request_id"):
                response.headers["request-id"] = tag  # by this name Anthropic's client looks for it
        except SoloError as error:
            response = await refusal(self._request, error)
        await response(scope, receive, send)
