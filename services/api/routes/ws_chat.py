"""Typed questions over a WebSocket, answered token by token; a dropped line can be taken up again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from services.api.chat_session import ChatSession
from services.api.chat_sessions import ChatSessions, Line, chat_sessions_of
from services.api.documented import TalkName, fault
from services.api.doors import Doors
from services.api.policy import Policy
from services.messages.security import Principal
from solo.errors import SoloError

router = Doors()
PING_EVERY_S = 20.0
"""Silence after which the client is told that the line is alive."""
STALLED_S = 30.0
"""A line that takes nothing for so long is closed; its session waits for a better one."""
FAREWELL_S = 5.0
"""For the last frame on a line that was stalled."""
MOST_FRAME_BYTES = 128 * 1024
"""A question of 16 000 characters, escaped as much as JSON allows."""
_GOOD_BYE = frozenset({1000})
"""Close codes of a client that does not come back."""
_TAKEN = 4000
_STALLED = 1013


class BadChatMessage(SoloError):
    """The message is not one of this door's."""

    code = "api.bad_chat_message"


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Asked(_Said):
    type: Literal["ask"]
    text: str = Field(min_length=1, max_length=16_000)
    talk: TalkName = "default"
    id: str | None = Field(default=None, max_length=100)
    """Comes back with everything that answers it."""


class Cancelled(_Said):
    type: Literal["cancel"]


class Resumed(_Said):
    type: Literal["resume"]
    session: str = Field(max_length=100)
    seq: int = Field(ge=0, le=2**53)
    """Of the last message that came."""


class Ponged(_Said):
    type: Literal["pong"]
    seq: int | None = Field(default=None, ge=0, le=2**53)
    """Of the last message that came: what is older need not be kept."""


_SAID: TypeAdapter[Asked | Cancelled | Resumed | Ponged] = TypeAdapter(
    Annotated[Asked | Cancelled | Resumed | Ponged, Field(discriminator="type")]
)


class _Stalled(Exception):
    """The client takes nothing."""


class _Taken(Exception):
    """Another line goes on with the session."""


@router.socket(
    "/ws/chat",
    policy=Policy("chat", owner="profile", rate="costly", body=MOST_FRAME_BYTES),
    summary="Questions in writing, answered token by token; goes on after a dropped line",
)
async def chat(socket: WebSocket) -> None:
    """Client: JSON `ask` (`text`, `talk`, `id`), `cancel`, `pong` (`seq`), `resume` (`session`, `seq`).

    Solo: JSON `ready`, `started`, `delta`, `turn`, `error`, `ping`, each with its `session` and a rising `seq`. After
    `resume` comes what was missed, then `ready` with `resumed`.
    """
    await socket.accept()
    visit = _Visit(socket)
    try:
        await visit.run()
    except* _Stalled:
        await _close(socket, _STALLED, "nothing was taken for too long")
    except* _Taken:
        await _close(socket, _TAKEN, "another line goes on")
    except* WebSocketDisconnect:
        pass


class _Visit:
    """One line, from its beginning to its end."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._who: Principal = socket.scope["principal"]
        self._sessions: ChatSessions = chat_sessions_of(socket.app)
        self._line = Line()
        self._session: ChatSession = self._sessions.new(self._who)
        self._for_good = False

    async def run(self) -> None:
        self._session.say("ready")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._taken())
                telling = tasks.create_task(self._tell())
                while (message := await self._socket.receive())["type"] != "websocket.disconnect":
                    before = self._session
                    self._hear(message)
                    if self._session is not before:
                        telling.cancel()
                        telling = tasks.create_task(self._tell())
                self._for_good = message.get("code") in _GOOD_BYE
                raise WebSocketDisconnect(message.get("code", 1006))
        except asyncio.CancelledError:
            self._for_good = True  # the guard has cut it off, or Solo stops
            raise
        finally:
            self._sessions.left(self._session, self._line, for_good=self._for_good)

    def _hear(self, message: Any) -> None:
        tag: dict[str, str] = {}
        try:
            said = _read(message)
            if isinstance(said, Asked):
                tag = {} if said.id is None else {"id": said.id}
                self._sessions.hold(self._session, self._line)
                self._session.ask(said.text, said.talk, said.id)
            elif isinstance(said, Cancelled):
                self._session.cancel()
            elif isinstance(said, Resumed):
                self._resume(said)
            elif said.seq is not None:
                self._session.acknowledge(said.seq)
        except SoloError as error:
            self._session.say_error(error, **tag)

    def _resume(self, said: Resumed) -> None:
        if said.session == self._session.id:
            raise BadChatMessage("this line is that session's already")
        session = self._sessions.resume(self._who, said.session, said.seq, self._line)
        self._sessions.left(self._session, self._line, for_good=True)
        self._session = session
        session.say("ready", resumed=True)

    async def _taken(self) -> None:
        await self._line.taken.wait()
        raise _Taken

    async def _tell(self) -> None:
        """Everything that the session has for its client, at the pace of the client."""
        session = self._session
        while True:
            if self._line.taken.is_set():  # what comes now belongs to the other line
                raise _Taken
            if (line := session.take()) is None:
                try:
                    async with asyncio.timeout(PING_EVERY_S):
                        await session.some()
                except TimeoutError:
                    session.say("ping")
                continue
            try:
                async with asyncio.timeout(STALLED_S):
                    await self._socket.send_text(line)
            except TimeoutError:
                raise _Stalled from None


def _read(message: Any) -> Asked | Cancelled | Resumed | Ponged:
    text = message.get("text")
    if text is None:
        raise BadChatMessage("this door takes text only")
    try:
        return _SAID.validate_json(text)
    except ValidationError as error:
        raise BadChatMessage(fault(error.errors())) from None


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):  # it may have gone meanwhile
        async with asyncio.timeout(FAREWELL_S):
            await socket.close(code, reason)
