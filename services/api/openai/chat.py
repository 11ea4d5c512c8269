"""Chat completions: a question on the bus, its answer at once or piece by piece."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import Request

from services.api.house import House
from services.api.openai.chunks import DONE, Chunks, whole
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


class Streamed(Live):
    """Server-sent events. The status waits for the first piece, so that a failure before it has one of its own."""

    def __init__(self, request: Request, house: House, question: Complete, model: str, *, usage: bool) -> None:
        super().__init__(request)
        self._house = house
        self._question = question
        self._name = f"chatcmpl-{question.id}"
        self._chunks = Chunks(self._name, int(time.time()), model, usage=usage)
        self._started = False
        self._spoke = False

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(send)
        except SoloError as error:
            refused = await refusal(self._request, error)
            if not self._started:
                await refused(scope, receive, send)
                return
            # The status has long been 200.
            event = b"data: " + bytes(refused.body) + b"\n\n" + DONE
            await send({"type": "http.response.body", "body": event, "more_body": False})

    async def quiet(self, send: Send) -> None:
        if not self._spoke:
            if not self._started:
                await self._start(send)
            await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
        self._spoke = False

    async def _answer(self, send: Send) -> None:
        chunks = self._chunks
        first = chunks.role()
        async with self._house.ctx.stream(self._question, within=WITHIN_S, ahead=_AHEAD) as items:
            async for item in items:
                ready = [item, *items.waiting()]
                deltas = [part for part in ready if isinstance(part, TextDelta)]
                said = first + (chunks.text(deltas) if deltas else b"")
                first = b""
                self._spoke = True
                if not self._started:
                    await self._start(send)
                if isinstance(end := ready[-1], CompletionEnd):
                    await send({"type": "http.response.body", "body": said + chunks.end(end), "more_body": False})
                    return
                await send({"type": "http.response.body", "body": said, "more_body": True})
        raise RuntimeError("a completion ended without an end")

    async def _start(self, send: Send) -> None:
        self._started = True
        headers = [*_HEADERS, (b"x-request-id", self._name.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def answered(ctx: Context, question: Complete, model: str) -> bytes:
    """The whole answer as JSON."""
    created = int(time.time())
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
    return whole(f"chatcmpl-{question.id}", created, model, deltas, end)
