"""HTTP: the users."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import Policy
from services.messages.security import ChangeUser, CreateUser, ListUsers, Role

router = Doors(prefix="/api/users")
_WITHIN_S = 10.0
_CHANGE = Policy("users.manage", body=16 * 1024, audit=True)


class Newcomer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["anna"])
    """Unique; letters' case makes no difference."""
    role: Role = "user"
    password: SecretStr | None = Field(default=None, max_length=4096, examples=["correct horse battery staple"])
    """Unset: no log-in, keys only."""


class Change(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    """Unset, like the others: as it is."""
    disabled: bool | None = None
    """True: neither log-ins nor keys are worth anything from now on."""
    password: SecretStr | None = Field(default=None, max_length=4096)
    """Ends all sessions of the user."""


@router.door("GET", "", policy=Policy("users.manage"), summary="All users, by name")
async def users(house: TheHouse) -> JSONResponse:
    found = await house.ctx.request(ListUsers(), within=_WITHIN_S)
    return JSONResponse({"users": [user.model_dump(mode="json") for user in found]})


@router.door("POST", "", policy=_CHANGE, summary="Add a user")
async def add(new: Newcomer, house: TheHouse, who: Who) -> JSONResponse:
    question = CreateUser(login=new.name, role=new.role, password=new.password, by=who.name)
    made = await house.ctx.request(question, within=_WITHIN_S)
    return JSONResponse(made.model_dump(mode="json"), status_code=201)


@router.door("PATCH", "/{user}", policy=_CHANGE, summary="Change a user's role or password, or whether they may log in")
async def change(user: str, wanted: Change, house: TheHouse, who: Who) -> JSONResponse:
    """`user`: id or name. What is taken away ends at once, open WebSockets included."""
    question = ChangeUser(user=user, role=wanted.role, disabled=wanted.disabled, password=wanted.password, by=who.name)
    done = await house.ctx.request(question, within=_WITHIN_S)
    return JSONResponse(done.model_dump(mode="json"))
