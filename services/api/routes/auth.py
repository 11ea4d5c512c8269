"""HTTP: logging in and out, and who one is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body as TheBody
from fastapi import Cookie
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, SecretStr
from starlette.requests import Request

from services.api.documented import NO_NUL, Body, answers
from services.api.doors import Doors
from services.api.house import TheHouse, Who
from services.api.policy import LOGIN, Policy
from services.messages.security import EnterByTicket, LogIn, LogOut, MakeTicket, Principal, Refresh, Tokens
from solo.errors import SoloError

router = Doors(prefix="/api/auth")
_WITHIN_S = 10.0
"""A password waits for its turn to be hashed."""
ACCESS_COOKIE = "solo_access"
REFRESH_COOKIE = "solo_refresh"
_REFRESH_PATH = "/api/auth"
_MINE: Literal["self"] = "self"
_CLIENT_CHARACTERS = 200
_LOGINS: dict[str, Example] = {
    "password": {"value": {"name": "anna", "password": "a long phrase nobody would guess"}},
    "ticket": {"value": {"ticket": "page_of_which_there_is_none", "cookie": True}},
}
_TICKETS: dict[str, Example] = {"WebSocket": {"value": {}}, "page": {"value": {"page": True}}}
_AGAIN: dict[str, Example] = {"token": {"value": {"refresh_token": "what the log-in gave"}}, "cookie": {"value": {}}}


class RefreshMissing(SoloError):
    """There is no refresh token, neither in the body nor as a cookie."""

    code = "api.refresh_missing"


class Credentials(Body):
    name: str = Field(min_length=1, max_length=100, pattern=NO_NUL)
    """Letters' case makes no difference."""
    password: SecretStr = Field(max_length=1024)
    cookie: bool = False
    """Answer with cookies that scripts cannot read, instead of with tokens."""


class PageTicket(Body):
    ticket: SecretStr = Field(max_length=1024)
    """What `solo voice` put behind the `#` of the page's address; worth one log-in."""
    cookie: bool = False
    """As with a password."""


class TicketFor(Body):
    page: bool = False
    """Not for a WebSocket but for a page, which logs in with it; only the owner's key may ask for that."""


class Again(Body):
    refresh_token: SecretStr | None = Field(default=None, max_length=1024)
    """Unset: that of the cookie, and the answer is cookies too."""


class LoggedIn(BaseModel):
    """With `cookie` the tokens are in the cookies and not here."""

    access_token: str | None = None
    """For `Authorization: Bearer`."""
    refresh_token: str | None = None
    """Worth one refresh."""
    token_type: Literal["Bearer"] | None = None
    expires_in: int
    """Seconds that the access token lives."""
    refresh_expires_in: int | None = None
    """Seconds that the refresh token lives."""
    principal: Principal


class Ended(BaseModel):
    ended: bool
    """False: what was sent is a key, not a session."""


class Ticket(BaseModel):
    ticket: str
    """To be offered as the WebSocket's subprotocol `solo.ticket.TICKET`, or in its first message; a page's: to log in
    with."""
    expires_in: int
    """Seconds."""


@router.door("POST", "/login", policy=LOGIN, summary="Log in with name and password", responses=answers(LoggedIn))
async def login(
    credentials: Annotated[Credentials | PageTicket, TheBody(openapi_examples=_LOGINS)],
    request: Request,
    house: TheHouse,
) -> JSONResponse:
    """Tokens; with `cookie` the cookies `solo_access` and `solo_refresh` instead. A name that nobody has and a wrong
    password are answered alike. A page that the owner opened logs in with its ticket."""
    client = request.headers.get("user-agent", "")[:_CLIENT_CHARACTERS]
    if isinstance(credentials, PageTicket):
        entered = EnterByTicket(ticket=credentials.ticket, address=_address(request), client=client)
        return _answer(await house.ctx.request(entered, within=_WITHIN_S), cookie=credentials.cookie)
    question = LogIn(
        login=credentials.name,
        password=credentials.password,
        address=_address(request),
        client=client,
    )
    return _answer(await house.ctx.request(question, within=_WITHIN_S), cookie=credentials.cookie)


@router.door(
    "POST",
    "/refresh",
    policy=LOGIN,
    summary="New tokens for a refresh token, which is used up by it",
    responses=answers(LoggedIn),
)
async def refresh(
    request: Request,
    house: TheHouse,
    again: Annotated[Again | None, TheBody(openapi_examples=_AGAIN)] = None,
    solo_refresh: Annotated[str | None, Cookie(max_length=1024, include_in_schema=False)] = None,
) -> JSONResponse:
    """A refresh token that comes a second time ends its session: one of two who have it has stolen it."""
    given = again.refresh_token if again else None
    token = given or (SecretStr(solo_refresh) if solo_refresh else None)
    if token is None:
        raise RefreshMissing(hint="Log in first: POST /api/auth/login.")
    tokens = await house.ctx.request(Refresh(refresh_token=token, address=_address(request)), within=_WITHIN_S)
    return _answer(tokens, cookie=given is None)


@router.door(
    "POST",
    "/logout",
    policy=Policy("chat", owner=_MINE),
    summary="End this session",
    responses=answers(Ended),
)
async def logout(house: TheHouse, who: Who) -> JSONResponse:
    """Keys are no sessions: nothing happens to them."""
    if who.kind == "session":
        await house.ctx.request(LogOut(session=who.id), within=_WITHIN_S)
    answer = JSONResponse({"ended": who.kind == "session"})
    answer.delete_cookie(ACCESS_COOKIE, path="/", httponly=True, samesite="strict")
    answer.delete_cookie(REFRESH_COOKIE, path=_REFRESH_PATH, httponly=True, samesite="strict")
    return answer


@router.door(
    "GET",
    "/me",
    policy=Policy("chat", owner=_MINE, rate="cheap"),
    summary="Who one is, and what one may",
    responses=answers(Principal),
)
async def me(who: Who) -> JSONResponse:
    return JSONResponse(_shown(who))


@router.door(
    "POST",
    "/ticket",
    policy=Policy("chat", owner=_MINE),
    summary="A secret for one WebSocket, worth 30 seconds; the owner's also for a page, worth 5 minutes",
    responses=answers(Ticket),
)
async def ticket(
    house: TheHouse, who: Who, wanted: Annotated[TicketFor | None, TheBody(openapi_examples=_TICKETS)] = None
) -> JSONResponse:
    """For browsers, which can send no header with a WebSocket, and have no key to open a page with."""
    page = wanted is not None and wanted.page
    made = await house.ctx.request(MakeTicket(principal=who, page=page), within=_WITHIN_S)
    return _unkept({"ticket": made.get_secret_value(), "expires_in": 300 if page else 30})


def _answer(tokens: Tokens, *, cookie: bool) -> JSONResponse:
    said: dict[str, object] = {"expires_in": tokens.expires_in, "principal": _shown(tokens.principal)}
    access, again = tokens.access_token.get_secret_value(), tokens.refresh_token.get_secret_value()
    if not cookie:
        more = {"refresh_expires_in": tokens.refresh_expires_in, "token_type": "Bearer"}
        return _unkept({"access_token": access, "refresh_token": again, **more, **said})
    answer = _unkept(said)
    # Not `secure`: the door is plain HTTP on loopback, and a proxy that speaks TLS adds it.
    answer.set_cookie(ACCESS_COOKIE, access, max_age=tokens.expires_in, path="/", httponly=True, samesite="strict")
    answer.set_cookie(
        REFRESH_COOKIE,
        again,
        max_age=tokens.refresh_expires_in,
        path=_REFRESH_PATH,
        httponly=True,
        samesite="strict",
    )
    return answer


def _unkept(said: dict[str, object]) -> JSONResponse:
    return JSONResponse(said, headers={"cache-control": "no-store"})


def _shown(who: Principal) -> dict[str, object]:
    return {**who.model_dump(mode="json", exclude={"scopes"}), "scopes": sorted(who.scopes)}


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
