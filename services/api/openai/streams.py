"""Answers while they are made, as server-sent events of whichever API was asked, or put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fastapi import Request

from services.api.house import House
from services.api.openai.errors import refusal
from services.api.openai.live import Live
from services.messages.language import Complete, CompletionEnd, TextDelta
from solo.errors import SoloError
from solo.supervision import Context

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

WITHIN_S = 900.0
"""Seconds for the next piece of an answer; whoever answers has shorter limits of his own, a load's included."""
_AHEAD = 32
"""Pieces that the model may be ahead of a caller who reads slowly."""
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
STILL_HERE = b": still here\n\n"
"""A comment: no client takes it for anything."""


class Told(Protocol):
    """How an API tells an answer: each method gives whole events."""

    def begin(self) -> bytes:
        """Before the first piece of each answer."""
        ...

    def text(self, deltas: Sequence[TextDelta]) -> bytes:
        """One or more pieces that have come meanwhile."""
        ...

    def end(self, end: CompletionEnd) -> bytes: ...

    def failed(self, error: SoloError, body: bytes) -> bytes:
        """The answer breaks off; `body` is the error as a response of its own would say it."""
        ...

    def quiet(self) -> bytes:
        """A sign of life."""
        ...


class Streamed(Live):
    """Server-sent events. The status waits for the first piece, so that a failure before it has one of its own.

    Several questions are answered one after the other.
    """

    def __init__(self, request: Request, house: House, questions: Sequence[Complete], told: Told, name: str) -> None:
        """`name`: the answer's id, and the request's where the guard gave it none."""
        super().__init__(request)
        self._house = house
        self._questions = questions
        self._told = told
        self._name = name
        self._started = False
        self._spoke = False

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for question in self._questions:
                await self._answer(question, send, last=question is self._questions[-1])
        except SoloError as error:
            refused = await refusal(self._request, error)
            if not self._started:
                await refused(scope, receive, send)
                return
            # The status has long been 200.
            event = self._told.failed(error, bytes(refused.body))
            await send({"type": "http.response.body", "body": event, "more_body": False})

    async def quiet(self, send: Send) -> None:
        if not self._spoke:
            if not self._started:
                await self._start(send)
            await send({"type": "http.response.body", "body": self._told.quiet(), "more_body": True})
        self._spoke = False

    async def _answer(self, question: Complete, send: Send, *, last: bool) -> None:
        told = self._told
        first = told.begin()
        async with self._house.ctx.stream(question, within=WITHIN_S, ahead=_AHEAD) as items:
            async for item in items:
                ready = [item, *items.waiting()]
                deltas = [part for part in ready if isinstance(part, TextDelta)]
                said = first + (told.text(deltas) if deltas else b"")
                first = b""
                self._spoke = True
                if not self._started:
                    await self._start(send)
                if isinstance(end := ready[-1], CompletionEnd):
                    await send({"type": "http.response.body", "body": said + told.end(end), "more_body": not last})
                    return
                await send({"type": "http.response.body", "body": said, "more_body": True})
        raise RuntimeError("a completion ended without an end")

    async def _start(self, send: Send) -> None:
        self._started = True
        tag = self._request.scope.get("request_id", self._name).encode()
        headers = [*_HEADERS, (b"x-request-id", tag), (b"request-id", tag)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Answered(NamedTuple):
    """A whole answer."""

    deltas: list[TextDelta]
    end: CompletionEnd


async def collect(ctx: Context, question: Complete) -> Answered:
    """All of an answer."""
    deltas: list[TextDelta] = []
    end: CompletionEnd | None = None
    async with ctx.stream(question, within=WITHIN_S, ahead=_AHEAD) as items:
        async for item in items:
            if isinstance(item, TextDelta):
                deltas.append(item)
            else:
                end = item
    if end is None:
        raise RuntimeError("a completion ended without an end")
    return Answered(deltas, end)
