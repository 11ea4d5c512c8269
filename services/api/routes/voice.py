"""Sound in, sound out: one spoken (or typed) question, answered aloud."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing, suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.api.asking import Stopping, answered
from services.api.documented import TalkName, fault
from services.api.doors import Doors
from services.api.guard import envelope
from services.api.house import House
from services.api.policy import Policy
from services.api.recent import new_turn_id
from services.messages.audio import Attach, SoundCaptured, SoundEnded
from services.messages.conversation import AnswerGrew, Ask, QuestionHeard, TurnFinished, TurnStarted
from solo.bus import Event, Overflow
from solo.errors import SoloError
from solo.supervision import ServiceStateChanged, State

router = Doors()
MOST_FRAME_BYTES = 64 * 1024
_IDLE_S = 3600.0
_PART_WITHIN_S = 60.0


class BadVoiceMessage(SoloError):
    """The message is not one of this door's."""

    code = "api.bad_voice_message"


class TurnLost(SoloError):
    """The conversation crashed and took the turn with it."""

    code = "api.turn_lost"


class Start(BaseModel):
    """The first message."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["start"]
    wake: bool = False
    """Wait for the wake word first."""
    talk: TalkName = "default"
    text: str | None = Field(default=None, min_length=1, max_length=16_000)
    """A typed question, to be answered aloud; no sound is listened to then."""


@router.socket(
    "/ws/voice",
    policy=Policy("audio", owner="profile", rate="costly"),
    summary="Sound in, sound out: one question, answered aloud",
)
async def voice(socket: WebSocket) -> None:
    """Client: JSON `start`, then binary s16le mono 16 kHz sound (20 ms pieces), at its end JSON `{"type": "end"}`.

    Solo: JSON `ready`, `heard`, `delta`, `sound` (each followed by a binary piece of s16le mono), and last `turn` or
    `error`. A client that leaves cancels the turn.
    """
    house: House = socket.app.state.house
    await socket.accept()
    try:
        start = await _start(socket)
        session = Session(house, socket, start)
        house.sessions.add(session)
        try:
            await session.run()
        finally:
            house.sessions.discard(session)
    except SoloError as error:
        await _say(socket, {"type": "error", **envelope(error)})
    except WebSocketDisconnect:
        return
    if socket.application_state is WebSocketState.CONNECTED:
        with suppress(WebSocketDisconnect):  # it has left by itself meanwhile
            await socket.close()


async def _start(socket: WebSocket) -> Start:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    try:
        return Start.model_validate_json(message.get("text") or "")
    except ValidationError as error:
        raise BadVoiceMessage(f"the first message has to be a `start`: {fault(error.errors())}") from None


class Session:
    def __init__(self, house: House, socket: WebSocket, start: Start) -> None:
        self._house = house
        self._ctx = house.ctx
        self._profile = socket.scope["principal"].profile
        self._socket = socket
        self._start = start
        self._source = f"voice-{uuid.uuid4().hex[:8]}"
        self._spoken = asyncio.Event()
        self._turn_begun = start.text is not None

    async def run(self) -> None:
        """Until the one turn is over, or the client has left."""
        attach = Attach(source=self._source, wake=self._start.wake, talk=self._start.talk, profile=self._profile)
        async with (
            self._ctx.subscribe(Event, limit=1024, overflow=Overflow.FAIL, through_drain=True) as facts,
            self._ctx.stream(attach, within=_IDLE_S) as sounds,
        ):
            work = [
                asyncio.create_task(self._send_sound(sounds)),
                asyncio.create_task(self._send_facts(facts)),
                asyncio.create_task(self._receive()),
                asyncio.create_task(self._leave_at_drain()),
            ]
            if self._start.text is not None:
                work.append(asyncio.create_task(self._ask(self._start.text)))
            try:
                # The first to end decides: the turn is over, the client has left, or something failed.
                await _first_to_end(work)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)

    async def _receive(self) -> None:
        await _say(self._socket, {"type": "ready", "source": self._source})
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006))
            if (pcm := message.get("bytes")) is not None:
                if len(pcm) % 2 or len(pcm) > MOST_FRAME_BYTES:
                    raise BadVoiceMessage(f"{len(pcm)} bytes are not s16le sound of at most {MOST_FRAME_BYTES} bytes")
                self._ctx.publish(SoundCaptured(source=self._source, pcm=pcm))
            elif (message.get("text") or "").replace(" ", "") == '{"type":"end"}':
                self._ctx.publish(SoundEnded(source=self._source))
            else:
                raise BadVoiceMessage("after `start` come sound and `end` only")

    async def _leave_at_drain(self) -> None:
        """When Solo stops, a turn that has begun is finished; a session without one ends."""
        await self._ctx.stopping.wait()
        if self._turn_begun:
            await asyncio.Event().wait()
        await _say(self._socket, {"type": "error", **envelope(Stopping())})

    async def _send_sound(self, sounds: Any) -> None:
        async for sound in sounds:
            if sound.last:
                self._spoken.set()
                continue
            await self._socket.send_json({"type": "sound", "sample_rate": sound.sample_rate})
            await self._socket.send_bytes(sound.pcm)
        await asyncio.Event().wait()  # the source is closing; the turn's end is told by its fact

    async def _send_facts(self, facts: Any) -> None:
        async for fact in facts:
            if isinstance(fact, ServiceStateChanged) and (fact.name, fact.state) == ("conversation", State.BACKOFF):
                raise TurnLost()
            if getattr(fact, "source", None) != self._source:
                continue
            if isinstance(fact, TurnStarted):
                self._turn_begun = True
            elif isinstance(fact, QuestionHeard):
                await _say(self._socket, {"type": "heard", "text": fact.text})
            elif isinstance(fact, AnswerGrew):
                await _say(self._socket, {"type": "delta", "text": fact.delta})
            elif isinstance(fact, TurnFinished) and fact.summary.outcome != "continued":
                await self._finish(fact.summary.model_dump(mode="json"))
                return

    async def _ask(self, text: str) -> None:
        asked = Ask(
            text=text,
            talk=self._start.talk,
            speak_to=self._source,
            profile=self._profile,
            turn_id=new_turn_id(),
        )
        async with aclosing(answered(self._house, asked)) as parts:
            async for part in parts:
                if part.summary is not None:
                    await self._finish(part.summary.model_dump(mode="json"))
                else:
                    await _say(self._socket, {"type": "delta", "text": part.delta})

    async def _finish(self, summary: dict[str, Any]) -> None:
        """Last of all, behind the sound: that takes another way than the facts."""
        if summary["audio_s"] > 0 and summary["outcome"] != "cancelled":
            with suppress(TimeoutError):
                async with asyncio.timeout(_PART_WITHIN_S):
                    await self._spoken.wait()
        await _say(self._socket, {"type": "turn", "turn": summary})


async def _first_to_end(work: list[asyncio.Task[None]]) -> None:
    done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _say(socket: WebSocket, message: dict[str, Any]) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.send_json(message)
