"""Server-sent events of a stream on the bus."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

from fastapi.responses import StreamingResponse

from services.api.guard import envelope
from services.api.house import House
from solo.bus import StreamRequest
from solo.errors import SoloError

T = TypeVar("T")


def events(
    house: House, asked: StreamRequest[T], told: Callable[[T], tuple[str, object]], *, within: float
) -> StreamingResponse:
    """`told` makes an event's name and data of each item. A client that leaves cancels what it asked for."""

    async def items() -> AsyncGenerator[T, None]:
        async with house.ctx.stream(asked, within=within) as found:
            async for item in found:
                yield item

    return streamed(items(), told)


def streamed(
    items: AsyncGenerator[T, None], told: Callable[[T], tuple[str, object]], headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """As `events`, of items that come from elsewhere; they are closed when the client leaves."""

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(items):
                async for item in items:
                    yield _event(*told(item))
        except SoloError as error:  # the response has begun, so a failure is an event too
            yield _event("error", envelope(error))

    kept = {"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=kept)


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
