"""Timers, alarms and reminders of the caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import NO_NUL, answers, json_list, json_of
from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import Policy
from services.messages.timers import CancelTimer, ListTimers, Timer

router = Doors(prefix="/api/timers", tags=["timers"])
_WITHIN_S = 6.0

TimerId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern=NO_NUL,
        description="Id of a timer.",
        examples=["0f5a3c1de2b94c58a7d0c4a1b2c3d4e5"],
    ),
]


class Timers(BaseModel):
    timers: tuple[Timer, ...]


@router.door(
    "GET",
    "",
    policy=Policy("chat", owner="profile"),
    summary="What is set: timers, alarms, reminders; what rings comes first, then what is due next",
    responses=answers(Timers),
)
async def timers(house: TheHouse, who: Who) -> JSONResponse:
    found = await house.ctx.request(ListTimers(profile=who.profile), within=_WITHIN_S)
    return JSONResponse({"timers": json_list(found)})


@router.door(
    "DELETE",
    "/{timer_id}",
    policy=Policy("chat", owner="profile"),
    summary="Cancel a timer, or silence one that rings",
    responses=answers(Timer),
)
async def cancel(timer_id: TimerId, house: TheHouse, who: Who) -> JSONResponse:
    """The timer as it was. Somebody else's is as if it did not exist."""
    return json_of(await house.ctx.request(CancelTimer(profile=who.profile, timer_id=timer_id), within=_WITHIN_S))
