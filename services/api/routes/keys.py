"""HTTP: API keys, one's own or, for who may manage them, anybody's."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.api.documented import NO_NUL, Body, answers, json_list, json_of
from services.api.doors import Doors
from services.api.house import House, TheHouse, Who
from services.api.policy import Policy
from services.messages.accounts import CreateKey, Key, ListKeys, RevokeKey
from services.messages.security import ROLE_SCOPES, Principal, Role, Scope
from solo.errors import SoloError

router = Doors(prefix="/api/keys")
_WITHIN_S = 10.0
_CHANGE = Policy("keys.own", owner="self", body=64 * 1024, audit=True)
_MOST_SECONDS = 100 * 365 * 86400.0


class TooWide(SoloError):
    """Nobody makes a key that may more than its maker."""

    code = "api.key_too_wide"


class NotYours(SoloError):
    """There is no such key among yours."""

    code = "api.no_such_key"


KeyPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=NO_NUL, description="Id or name of a key.", examples=["kitchen"])
]


class NewcomerKey(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "kitchen", "role": "service", "scopes": ["chat", "audio"]}]}
    )

    name: str = Field(min_length=1, max_length=100, pattern=NO_NUL)
    """For people."""
    role: Role = "service"
    scopes: list[Scope] = Field(default_factory=list, max_length=50)
    """Empty: all that the role may."""
    expires_in_s: float | None = Field(default=None, gt=0, le=_MOST_SECONDS)
    """Seconds from now; unset: it does not expire."""
    user: str = Field(default="", max_length=200, pattern=NO_NUL)
    """Id or name of the user whose it is to be, for who may manage keys; unset: the caller's own."""


class Keys(BaseModel):
    keys: tuple[Key, ...]


class Made(BaseModel):
    key: Key
    secret: str
    """To be sent as `Authorization: Bearer`; it is not kept and cannot be read again."""


@router.door(
    "GET",
    "",
    policy=Policy("keys.own", owner="self"),
    summary="Keys without their secrets, newest first",
    responses=answers(Keys),
)
async def keys(house: TheHouse, who: Who) -> JSONResponse:
    return JSONResponse({"keys": json_list(await _visible(house, who))})


@router.door(
    "POST",
    "",
    policy=_CHANGE,
    status_code=201,
    summary="Make a key; its secret is in this answer and nowhere else",
    responses=answers(Made, 201),
)
async def create(new: NewcomerKey, house: TheHouse, who: Who) -> JSONResponse:
    user = new.user or who.user
    if not _manages(who) and (not who.user or user not in {who.user, who.name}):
        raise TooWide("keys of others are not yours to make")
    scopes, expires = _narrowed(new, who)
    question = CreateKey(
        label=new.name,
        role=new.role,
        scopes=scopes,
        expires_in_s=expires,
        user=user if _manages(who) else who.user,
        by=who.name,
    )
    made = await house.ctx.request(question, within=_WITHIN_S)
    said = {"key": made.key.model_dump(mode="json"), "secret": made.secret.get_secret_value()}
    return JSONResponse(said, status_code=201, headers={"cache-control": "no-store"})


@router.door(
    "DELETE",
    "/{key}",
    policy=_CHANGE,
    summary="Revoke a key: it is worth nothing from now on",
    responses=answers(Key),
)
async def revoke(key: KeyPath, house: TheHouse, who: Who) -> JSONResponse:
    if not _manages(who) and not who.user:
        # Nobody's key: all it may revoke is itself.
        mine = [each.id for each in await _visible(house, who) if key in {each.id, each.name}]
        if not mine:
            raise NotYours
        key = mine[0]
    user = "" if _manages(who) else who.user
    return json_of(await house.ctx.request(RevokeKey(key=key, user=user, by=who.name), within=_WITHIN_S))


async def _visible(house: House, who: Principal) -> tuple[Key, ...]:
    """An empty user would be everybody, so nobody's key is looked for by its id."""
    found = await house.ctx.request(ListKeys(user="" if _manages(who) else who.user), within=_WITHIN_S)
    return found if _manages(who) or who.user else tuple(key for key in found if key.id == who.id)


def _manages(who: Principal) -> bool:
    return "keys.manage" in who.scopes


def _narrowed(new: NewcomerKey, who: Principal) -> tuple[tuple[Scope, ...], float | None]:
    """Scopes and life of a key that may no more than its maker, and lives no longer than a key that makes it."""
    if not ROLE_SCOPES[new.role] <= ROLE_SCOPES[who.role]:
        raise TooWide(f"the role {who.role} makes no keys of the role {new.role}")
    if beyond := set(new.scopes) - who.scopes:
        raise TooWide(f"this may not be given away: {', '.join(sorted(beyond))}")
    scopes = tuple(new.scopes)
    if not scopes and not ROLE_SCOPES[new.role] <= who.scopes:
        scopes = tuple(sorted(ROLE_SCOPES[new.role] & who.scopes))
        if not scopes:  # which would mean all of them
            raise TooWide(f"a key of the role {new.role} has nothing that this one may")
    expires = new.expires_in_s
    if who.kind == "key" and who.expires_at is not None:
        left = max(1.0, who.expires_at - time.time())
        expires = left if expires is None else min(expires, left)
    return scopes, expires
