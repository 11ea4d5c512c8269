"""Typed questions."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.api.sse import events
from services.messages.conversation import AnswerPart, Ask

router = Doors()
_PART_WITHIN_S = 60.0


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=16_000, examples=["What is the capital of France?"])
    """What is asked."""
    talk: str = Field(default="default", min_length=1, max_length=100)
    """Whose history it belongs to."""
    stream: bool = False
    """True: server-sent events `delta` and, last, `turn`; False: the turn as JSON when it is over."""


@router.door(
    "POST",
    "/api/ask",
    policy=Policy("chat", owner="profile", rate="costly"),
    summary="Ask a question, get the turn; with stream=true token by token",
)
async def ask(question: Question, house: TheHouse) -> Response:
    asked = Ask(text=question.text, talk=question.talk)
    if question.stream:
        return events(house, asked, _told, within=_PART_WITHIN_S)
    async with house.ctx.stream(asked, within=_PART_WITHIN_S) as parts:
        async for part in parts:
            if part.summary is not None:
                return JSONResponse(part.summary.model_dump(mode="json"))
    raise RuntimeError("a turn ended without a summary")


def _told(part: AnswerPart) -> tuple[str, object]:
    if part.summary is not None:
        return "turn", part.summary.model_dump(mode="json")
    return "delta", {"text": part.delta}
