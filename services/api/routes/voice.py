"""Sound in, sound out: one question answered aloud, or a whole conversation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.api.doors import Doors
from services.api.guard import envelope
from services.api.house import House
from services.api.policy import Policy
from services.api.voice.conversation import Conversation
from services.api.voice.line import next_message, say
from services.api.voice.outbox import SLOW, SlowClient
from services.api.voice.question import Question
from services.api.voice.said import Start, start_of
from solo.errors import SoloError

router = Doors()
_FAREWELL_S = 5.0


@router.socket(
    "/ws/voice",
    policy=Policy("audio", owner="profile", rate="costly"),
    summary="Sound in, sound out: one question answered aloud, or a whole conversation",
)
async def voice(socket: WebSocket) -> None:
    """Client: JSON `start`, then binary s16le mono 16 kHz sound (20 ms pieces), at its end JSON `{"type": "end"}`.

    Solo: JSON `ready`, `heard`, `delta`, `sound` (each followed by a binary piece of s16le mono), and last `turn` or
    `error`. A client that leaves cancels the turn. With `"mode": "conversation"` turn follows turn, and both sides
    have more to say (docs/voice-page.md).
    """
    house: House = socket.app.state.house
    await socket.accept()
    try:
        start = start_of(await next_message(socket))
        await _hold(house, socket, start)
    except SlowClient:
        await _close(socket, SLOW, "nothing was taken for too long")
        return
    except SoloError as error:
        await say(socket, {"type": "error", **envelope(error)})
    except WebSocketDisconnect:
        return
    await _close(socket, 1000, "")


async def _hold(house: House, socket: WebSocket, start: Start) -> None:
    session = Question(house, socket, start) if start.mode == "question" else Conversation(house, socket, start)
    house.sessions.add(session)
    try:
        await session.run()
    finally:
        house.sessions.discard(session)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):  # it has left by itself meanwhile
            async with asyncio.timeout(_FAREWELL_S):
                await socket.close(code, reason)
