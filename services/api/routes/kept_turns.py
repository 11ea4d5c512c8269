"""Turns that are kept whole: looked at, fetched to be played again, forgotten."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.responses import Response

from services.api.asking import NoTurn
from services.api.documented import NO_NUL, answers, json_list
from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import Policy
from services.messages.blackbox import DescribeKeptTurn, FetchKeptTurn, ForgetKeptTurns, KeptTurn, ListKeptTurns
from solo.replay import Manifest

router = Doors(prefix="/api/turns", tags=["turns"])
_WITHIN_S = 10.0
_ZIP = "application/zip"

KeptId = Annotated[
    str, Path(min_length=1, max_length=64, pattern=NO_NUL, description="Id of a turn.", examples=["0a1b2c3d4e5f"])
]


class KeptTurns(BaseModel):
    turns: tuple[KeptTurn, ...]


class Forgotten(BaseModel):
    forgotten: int


@router.door(
    "GET",
    "/kept",
    policy=Policy("chat", owner="profile", rate="cheap"),
    summary="The turns that are kept whole, newest first",
    responses=answers(KeptTurns),
)
async def kept_turns(house: TheHouse, who: Who) -> JSONResponse:
    """With their sound, in the state directory; `SOLO_BLACKBOX__TURNS` and `SOLO_BLACKBOX__KEEP_H` limit them."""
    found = await house.ctx.request(ListKeptTurns(profile=who.profile), within=_WITHIN_S)
    return JSONResponse({"turns": json_list(found)})


@router.door(
    "DELETE",
    "/kept",
    policy=Policy("chat", owner="profile", audit=True),
    summary="Forget all of them",
    responses=answers(Forgotten),
)
async def forget_all(house: TheHouse, who: Who) -> JSONResponse:
    gone = await house.ctx.request(ForgetKeptTurns(profile=who.profile), within=_WITHIN_S)
    return JSONResponse({"forgotten": gone})


@router.door(
    "GET",
    "/{turn_id}/kept",
    policy=Policy("chat", owner="profile", rate="cheap"),
    summary="What was heard, said and decided in one of them",
    responses=answers(Manifest),
)
async def kept_turn(turn_id: KeptId, house: TheHouse, who: Who) -> JSONResponse:
    found = await house.ctx.request(DescribeKeptTurn(kept=turn_id, profile=who.profile), within=_WITHIN_S)
    if found is None:
        raise _unknown(turn_id)
    return JSONResponse(found)


@router.door(
    "GET",
    "/{turn_id}/bundle",
    policy=Policy("chat", owner="profile"),
    summary="Its recording as a file, for `solo replay`",
    responses={200: {"content": {_ZIP: {"schema": {"type": "string", "contentMediaType": _ZIP}}}}},
    response_class=Response,
)
async def bundle(turn_id: KeptId, house: TheHouse, who: Who) -> Response:
    """What a person said is in it, as sound and as text."""
    found = await house.ctx.request(FetchKeptTurn(kept=turn_id, profile=who.profile), within=_WITHIN_S)
    if found is None:
        raise _unknown(turn_id)
    return Response(found, media_type=_ZIP)


@router.door(
    "DELETE",
    "/{turn_id}/kept",
    policy=Policy("chat", owner="profile", audit=True),
    summary="Forget one of them",
    responses=answers(Forgotten),
)
async def forget_one(turn_id: KeptId, house: TheHouse, who: Who) -> JSONResponse:
    gone = await house.ctx.request(ForgetKeptTurns(kept=turn_id, profile=who.profile), within=_WITHIN_S)
    if not gone:
        raise _unknown(turn_id)
    return JSONResponse({"forgotten": gone})


def _unknown(turn_id: str) -> NoTurn:
    return NoTurn(f"no turn {turn_id!r} is kept", hint="GET /api/turns/kept lists those that are.")
