"""What was said: chats and their messages, and everything in one."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.api.documented import Before, TalkPath, answers
from services.api.doors import Doors
from services.api.house import House, TheHouse, Who
from services.api.policy import Policy
from services.messages.blackbox import ForgetKeptTurns
from services.messages.chats import Chat, Exchange, ForgetChat, ListChats, ReadChat
from services.messages.security import Principal
from solo.errors import SoloError

router = Doors(tags=["chats"])
_WITHIN_S = 5.0

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]


class Chats(BaseModel):
    chats: tuple[Chat, ...]


class Exchanges(BaseModel):
    exchanges: tuple[Exchange, ...]


class Forgotten(BaseModel):
    forgotten: int


@router.door(
    "GET",
    "/api/chats",
    policy=Policy("chat", owner="profile"),
    summary="The chats, the one used last first",
    responses=answers(Chats),
)
async def chats(house: TheHouse, who: Who, limit: Limit = 100) -> JSONResponse:
    found = await house.ctx.request(ListChats(profile=who.profile, limit=limit), within=_WITHIN_S)
    return JSONResponse({"chats": [chat.model_dump(mode="json") for chat in found]})


@router.door(
    "GET",
    "/api/chats/{talk}",
    policy=Policy("chat", owner="profile"),
    summary="Questions and answers of a chat, newest first",
    responses=answers(Exchanges),
)
async def read(talk: TalkPath, house: TheHouse, who: Who, limit: Limit = 50, before: Before = None) -> JSONResponse:
    """A chat that is not there is empty."""
    return await _page(house, who, talk, limit, before)


@router.door(
    "GET",
    "/api/history",
    policy=Policy("chat", owner="profile"),
    summary="Questions and answers of all chats, newest first",
    responses=answers(Exchanges),
)
async def history(house: TheHouse, who: Who, limit: Limit = 50, before: Before = None) -> JSONResponse:
    return await _page(house, who, None, limit, before)


@router.door(
    "DELETE",
    "/api/chats/{talk}",
    policy=Policy("chat", owner="profile"),
    summary="Forget a chat with all its messages",
    responses=answers(Forgotten),
)
async def forget(talk: TalkPath, house: TheHouse, who: Who) -> JSONResponse:
    """How many exchanges went: none, where there is no such chat."""
    gone = await house.ctx.request(ForgetChat(profile=who.profile, talk=talk), within=_WITHIN_S)
    house.recent.forget(who.profile, talk)
    with suppress(SoloError):  # a Solo without recordings has none to forget
        await house.ctx.request(ForgetKeptTurns(profile=who.profile, talk=talk), within=_WITHIN_S)
    return JSONResponse({"forgotten": gone})


async def _page(house: House, who: Principal, talk: str | None, limit: int, before: Before) -> JSONResponse:
    question = ReadChat(
        profile=who.profile, talk=talk, limit=limit, before=None if before is None else before.isoformat()
    )
    found = await house.ctx.request(question, within=_WITHIN_S)
    return JSONResponse({"exchanges": [exchange.model_dump(mode="json") for exchange in found]})
