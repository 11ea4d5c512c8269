"""One WebSocket of `/ws/voice`: what both kinds of sessions do with it."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from solo.bus import Event
from solo.errors import SoloError
from solo.supervision import ServiceStateChanged, State


class TurnLost(SoloError):
    """The conversation crashed and took the turn with it."""

    code = "api.turn_lost"


def new_source() -> str:
    return f"voice-{uuid.uuid4().hex[:8]}"


async def next_message(socket: WebSocket) -> Any:
    """Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message


async def next_said(socket: WebSocket) -> str | bytes:
    """Sound as bytes, everything else as text. Raises WebSocketDisconnect."""
    message = await next_message(socket)
    pcm: bytes | None = message.get("bytes")
    return pcm if pcm is not None else message.get("text") or ""


async def say(socket: WebSocket, message: dict[str, Any]) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.send_json(message)


def is_lost(fact: Event) -> bool:
    """The conversation has crashed: its turns are gone, and no fact says so."""
    return isinstance(fact, ServiceStateChanged) and (fact.name, fact.state) == ("conversation", State.BACKOFF)
