"""Everything that happens, as it happens, for dashboards and the curious."""

from __future__ import annotations

import asyncio

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.api.doors import Doors
from services.api.house import House
from services.api.policy import Policy
from services.messages.audio import SoundCaptured, SoundHeard
from solo.bus import Event, Overflow

router = Doors()
_SOUND = (SoundCaptured, SoundHeard)
_SOUND_FIELDS = {"pcm"}


@router.socket(
    "/ws/events", policy=Policy("events.read", rate="usual"), summary="Everything that happens, as it happens"
)
async def events(socket: WebSocket) -> None:
    """Every fact as JSON `{"kind", ...fields}`; sound itself is left out. A client too slow loses the oldest."""
    house: House = socket.app.state.house
    await socket.accept()
    async with house.ctx.subscribe(Event, limit=1024, overflow=Overflow.DROP_OLDEST) as facts:
        gone = asyncio.create_task(_until_gone(socket))
        gone.add_done_callback(lambda _: facts.close())
        try:
            async for fact in facts:
                if isinstance(fact, _SOUND):
                    continue
                body = fact.model_dump(mode="json", exclude=_SOUND_FIELDS)
                await socket.send_json({"kind": type(fact).__name__, **body})
        except WebSocketDisconnect:
            return
        finally:
            gone.cancel()
    if not gone.done() or gone.cancelled():
        await socket.close(1001, "Solo is stopping")


async def _until_gone(socket: WebSocket) -> None:
    """Clients have nothing to say here; what they send is ignored."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
