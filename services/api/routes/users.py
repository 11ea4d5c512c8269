"""HTTP: the users."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.api.documented import NO_NUL, Body, answers, json_list, json_of
from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import Policy
from services.messages.accounts import ChangeUser, CreateUser, ListUsers, User
from services.messages.security import Role

router = Doors(prefix="/api/users")
_WITHIN_S = 10.0
_CHANGE = Policy("users.manage", body=64 * 1024, audit=True)


UserPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=NO_NUL, description="Id or name of a user.", examples=["anna"])
]


class Newcomer(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "anna", "role": "user", "password": "a long phrase nobody would guess"}]
        }
    )

    name: str = Field(min_length=1, max_length=100, pattern=NO_NUL)
    """Unique; letters' case makes no difference."""
    role: Role = "user"
    password: SecretStr | None = Field(default=None, max_length=1024)
    """Unset: no log-in, keys only."""


class Change(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "guest"}, {"disabled": True}]})

    role: Role | None = None
    """Unset, like the others: as it is."""
    disabled: bool | None = None
    """True: neither log-ins nor keys are worth anything from now on."""
    password: SecretStr | None = Field(default=None, max_length=1024)
    """Ends all sessions of the user."""


class Users(BaseModel):
    users: tuple[User, ...]


@router.door("GET", "", policy=Policy("users.manage"), summary="All users, by name", responses=answers(Users))
async def users(house: TheHouse) -> JSONResponse:
    found = await house.ctx.request(ListUsers(), within=_WITHIN_S)
    return JSONResponse({"users": json_list(found)})


@router.door("POST", "", policy=_CHANGE, status_code=201, summary="Add a user", responses=answers(User, 201))
async def add(new: Newcomer, house: TheHouse, who: Who) -> JSONResponse:
    question = CreateUser(login=new.name, role=new.role, password=new.password, by=who.name)
    return json_of(await house.ctx.request(question, within=_WITHIN_S), 201)


@router.door(
    "PATCH",
    "/{user}",
    policy=_CHANGE,
    summary="Change a user's role or password, or whether they may log in",
    responses=answers(User),
)
async def change(user: UserPath, wanted: Change, house: TheHouse, who: Who) -> JSONResponse:
    """What is taken away ends at once, open WebSockets included."""
    question = ChangeUser(user=user, role=wanted.role, disabled=wanted.disabled, password=wanted.password, by=who.name)
    return json_of(await house.ctx.request(question, within=_WITHIN_S))
