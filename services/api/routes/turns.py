"""Questions in writing, and the turns that they and spoken ones became."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.api.asking import NoTurn, answered
from services.api.documented import NO_NUL, Before, Body, TalkName, answers
from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import Policy
from services.api.recent import MOST, SHOWN, new_turn_id
from services.api.routes import kept_turns, ws_chat
from services.api.sse import streamed
from services.messages.conversation import AnswerPart, Ask, TurnSummary

router = Doors(tags=["turns"])
router.contain(kept_turns.router)  # before the routes below, whose {turn_id} would take its names
_EVENTS = 'event: delta\ndata: {"text": "Paris."}\n\nevent: turn\ndata: {"turn_id": "0a1b2c3d4e5f", ...}\n\n'

TurnId = Annotated[
    str, Path(min_length=1, max_length=64, pattern=NO_NUL, description="Id of a turn.", examples=["0a1b2c3d4e5f"])
]


class Question(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "What is the capital of France?", "talk": "default"}]}
    )

    text: str = Field(min_length=1, max_length=16_000)
    """What is asked."""
    talk: TalkName = "default"
    """Which history it belongs to."""
    stream: bool = False
    """True: server-sent events `delta` and, last, `turn`; False: the turn as JSON when it is over."""


class Turns(BaseModel):
    turns: tuple[TurnSummary, ...]


class Cancelled(BaseModel):
    cancelled: bool


@router.door(
    "POST",
    "/api/ask",
    policy=Policy("chat", owner="profile", rate="costly"),
    summary="Ask a question, get the turn; with stream=true token by token",
    responses=answers(TurnSummary, stream=_EVENTS),
)
async def ask(question: Question, house: TheHouse, who: Who) -> Response:
    """With `stream`, the header `x-turn-id` names the turn from the beginning: another request can cancel it by that.

    A turn that failed is an answer too: see its `outcome` and `error`."""
    asked = Ask(text=question.text, talk=question.talk, profile=who.profile, turn_id=new_turn_id())
    parts = answered(house, asked)
    if question.stream:
        return streamed(parts, _told, {"x-turn-id": asked.turn_id or ""})
    async with aclosing(parts):
        async for part in parts:
            if part.summary is not None:
                return JSONResponse(part.summary.model_dump(mode="json"))
    raise RuntimeError("a turn ended without a summary")


@router.door(
    "GET",
    "/api/turns",
    policy=Policy("chat", owner="profile", rate="cheap"),
    summary="The last turns since the start, newest first",
    responses=answers(Turns),
)
async def turns(
    house: TheHouse,
    who: Who,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = SHOWN,
    before: Before = None,
) -> JSONResponse:
    """Spoken and written ones. Kept in memory only; what was said in them is in the chats for good."""
    found = house.recent.newest_first(who.profile, limit, before)
    return JSONResponse({"turns": [turn.model_dump(mode="json") for turn in found]})


@router.door(
    "GET",
    "/api/turns/{turn_id}",
    policy=Policy("chat", owner="profile", rate="cheap"),
    summary="One turn: its stages in milliseconds, engines, receipt and citations",
    responses=answers(TurnSummary),
)
async def turn(turn_id: TurnId, house: TheHouse, who: Who) -> JSONResponse:
    found = house.recent.find(who.profile, turn_id)
    if found is None:
        raise NoTurn(f"there is no turn {turn_id!r}", hint=f"GET /api/turns lists the last {MOST}.")
    return JSONResponse(found.model_dump(mode="json"))


@router.door(
    "POST",
    "/api/turns/{turn_id}/cancel",
    policy=Policy("chat", owner="profile", rate="cheap"),
    summary="Cancel a written turn that is under way",
    responses=answers(Cancelled),
)
async def cancel(turn_id: TurnId, house: TheHouse, who: Who) -> JSONResponse:
    """Whoever waits for it gets the turn as far as it came, with the outcome `cancelled`. A spoken one is interrupted
    by speaking, or by closing its WebSocket."""
    if not house.recent.cancel(who.profile, turn_id):
        raise NoTurn(f"no turn {turn_id!r} is under way", hint="It may be over; GET /api/turns lists what is.")
    return JSONResponse({"cancelled": True})


def _told(part: AnswerPart) -> tuple[str, object]:
    if part.summary is not None:
        return "turn", part.summary.model_dump(mode="json")
    return "delta", {"text": part.delta}


router.contain(ws_chat.router)
