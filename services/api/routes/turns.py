"""Typed questions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.api.guard import envelope
from services.api.house import House, TheHouse
from services.messages.conversation import Ask
from solo.errors import SoloError

router = APIRouter()
_PART_WITHIN_S = 60.0


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=16_000, examples=["What is the capital of France?"])
    """What is asked."""
    talk: str = Field(default="default", min_length=1, max_length=100)
    """Whose history it belongs to."""
    stream: bool = False
    """True: server-sent events `delta` and, last, `turn`; False: the turn as JSON when it is over."""


@router.post("/api/ask", summary="Ask a question, get the turn; with stream=true token by token")
async def ask(question: Question, house: TheHouse) -> Response:
    asked = Ask(text=question.text, talk=question.talk)
    if question.stream:
        return StreamingResponse(_events(house, asked), media_type="text/event-stream")
    async with house.ctx.stream(asked, within=_PART_WITHIN_S) as parts:
        async for part in parts:
            if part.summary is not None:
                return JSONResponse(part.summary.model_dump(mode="json"))
    raise RuntimeError("a turn ended without a summary")


async def _events(house: House, asked: Ask) -> AsyncIterator[str]:
    """The response has begun, so a failure is an event too. A client that leaves cancels the turn."""
    try:
        async with house.ctx.stream(asked, within=_PART_WITHIN_S) as parts:
            async for part in parts:
                if part.summary is not None:
                    yield _event("turn", part.summary.model_dump(mode="json"))
                else:
                    yield _event("delta", {"text": part.delta})
    except SoloError as error:
        yield _event("error", envelope(error))


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
