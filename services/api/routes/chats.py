"""What was said: chats and their messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse

from services.api.doors import Doors
from services.api.house import TheHouse
from services.api.policy import Policy
from services.messages.chats import ForgetChat, ListChats, ReadChat

router = Doors()
_WITHIN_S = 5.0

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]


@router.door("GET", "/api/chats", policy=Policy("chat", owner="profile"), summary="The chats, the one used last first")
async def chats(house: TheHouse, limit: Limit = 100) -> JSONResponse:
    found = await house.ctx.request(ListChats(limit=limit), within=_WITHIN_S)
    return JSONResponse({"chats": [chat.model_dump(mode="json") for chat in found]})


@router.door(
    "GET",
    "/api/chats/{talk}",
    policy=Policy("chat", owner="profile"),
    summary="Questions and answers of a chat, newest first",
)
async def read(talk: str, house: TheHouse, limit: Limit = 50, before: datetime | None = None) -> JSONResponse:
    """`before`: only what began before this time (ISO 8601), for the next page."""
    question = ReadChat(talk=talk, limit=limit, before=before.isoformat() if before else None)
    found = await house.ctx.request(question, within=_WITHIN_S)
    return JSONResponse({"exchanges": [exchange.model_dump(mode="json") for exchange in found]})


@router.door(
    "DELETE", "/api/chats/{talk}", policy=Policy("chat", owner="profile"), summary="Forget a chat with all its messages"
)
async def forget(talk: str, house: TheHouse) -> JSONResponse:
    gone = await house.ctx.request(ForgetChat(talk=talk), within=_WITHIN_S)
    return JSONResponse({"forgotten": gone})
