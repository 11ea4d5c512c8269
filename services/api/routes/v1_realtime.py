"""OpenAI's Realtime API: a conversation by voice or in writing over one WebSocket."""

from __future__ import annotations

import time
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.api.documented import answers, takes
from services.api.doors import Doors
from services.api.guards.carriers import REALTIME, offered
from services.api.house import House
from services.api.openai.asking import Asking
from services.api.openai.errors import OpenAIRoute
from services.api.openai.reading import read
from services.api.policy import Policy
from services.api.realtime import failures, responses, shape
from services.api.realtime.line import Stalled
from services.api.realtime.old import inward
from services.api.realtime.session import Session
from services.api.realtime.sessions import Promised, answerer_of, sessions_of
from services.api.realtime.shape import Settings
from services.messages.security import MOST_TICKET_S, MakeTicket, Principal
from solo.errors import SoloError

router = Doors(route_class=OpenAIRoute)
MOST_FRAME_BYTES = 1024 * 1024
"""About 16 s of sound in base64."""
TRY_LATER = 1013
IDLE = 4408
_OLD_PROTOCOL = "openai-beta.realtime-v1"
_WITHIN_S = 5.0


class _ExpiresAfter(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7200)


class SecretRequest(Asking):
    """`POST /v1/realtime/client_secrets`."""

    expires_after: _ExpiresAfter = _ExpiresAfter()
    """It lives no longer than 10 minutes, whatever is asked."""
    session: dict[str, Any] = Field(default_factory=dict)
    """What the session begins with; `model` too."""


class ClientSecret(BaseModel):
    value: str
    """Worth one session."""
    expires_at: int
    """Seconds since 1970."""
    session: dict[str, Any]
    """What the session will begin with."""


@router.socket(
    "/v1/realtime",
    policy=Policy("audio", owner="profile", rate="costly", body=MOST_FRAME_BYTES),
    summary="OpenAI's Realtime API: a conversation by voice or in writing",
)
async def realtime(socket: WebSocket) -> None:
    """Events in JSON both ways, as docs/realtime.md lists them; `model` in the query, a header or subprotocol asks for
    the names of before GA."""
    protocols: list[str] = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol=REALTIME if REALTIME in protocols else None)
    house: House = socket.app.state.house
    who: Principal = socket.scope["principal"]
    sessions = sessions_of(socket.app)
    promised = _promised(socket)
    model = socket.query_params.get("model", "") or (promised.model if promised is not None else "")
    old = _OLD_PROTOCOL in protocols or "realtime=v1" in socket.headers.get("openai-beta", "")
    try:
        with sessions.opened(who):
            session = Session(
                house, socket, who, promised.settings if promised is not None else Settings(),
                model=model or "solo", old=old, answerer=answerer_of(model), take=lambda: sessions.take(who),
            )  # fmt: skip
            await session.run()
    except* WebSocketDisconnect:
        pass
    except* Stalled:
        await _close(socket, TRY_LATER, "nothing was taken for too long")
    except* failures.SessionIdle:
        await _close(socket, IDLE, failures.SessionIdle.code)
    except* failures.TooManyRealtime as group:
        error = group.exceptions[0]
        assert isinstance(error, SoloError)
        await socket.send_json({"type": "error", "event_id": "event_1", "error": failures.told(error)})
        await _close(socket, TRY_LATER, error.code)


@router.door(
    "POST",
    "/v1/realtime/client_secrets",
    policy=Policy("audio", owner="self"),
    summary="A secret for one realtime session, to be handed to a browser",
    responses=answers(ClientSecret),
    openapi_extra=takes(SecretRequest, {"session": {"type": "realtime", "instructions": "Be brief."}}),
)
async def client_secrets(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, SecretRequest)
    settings = shape.patched(Settings(), inward({"type": "session.update", "session": asked.session})["session"])
    await responses.check_voice(house.ctx, settings, Settings(), "session")
    model = str(asked.session.get("model") or "solo")[:200]
    seconds = min(float(asked.expires_after.seconds), MOST_TICKET_S)
    ticket = MakeTicket(principal=request.scope["principal"], lives_s=seconds)
    secret = (await house.ctx.request(ticket, within=_WITHIN_S)).get_secret_value()
    until = time.time() + seconds
    sessions_of(request.app).promise(secret, settings, model, until)
    session = shape.told(settings, id="", model=model)
    body = {"value": secret, "expires_at": int(until), "session": session}
    return JSONResponse(body, headers={"cache-control": "no-store"})


def _promised(socket: WebSocket) -> Promised | None:
    """What belongs to the credential that the guard has let in, if that was a client secret."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in socket.scope["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    names = ",".join(value.decode("latin-1") for value in headers.get(b"sec-websocket-protocol", ()))
    came = offered(headers, [name.strip() for name in names.split(",")])
    return sessions_of(socket.app).redeem(came.credential) if came.credential else None


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason)
