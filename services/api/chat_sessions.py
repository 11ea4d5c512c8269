"""All chats over WebSockets: how many there may be, and for how long one waits for its client to come back."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field

from fastapi import FastAPI

from services.api.chat_session import ChatSession
from services.api.house import House
from services.messages.security import Principal
from solo.errors import SoloError

MOST_EACH = 16
"""Sessions of one key or log-in."""
MOST_IN_ALL = 256
RETURN_WITHIN_S = 60.0
"""Seconds that a session waits for its client after the line dropped; its turn goes on meanwhile."""


class TooManyChats(SoloError):
    """Too many chats are open or wait for their clients."""

    code = "api.too_many_chats"


class NoChat(SoloError):
    """There is no such chat to go on with."""

    code = "api.no_chat"


@dataclass(slots=True)
class Line:
    """One WebSocket, as its session knows it."""

    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """Another line goes on in its place."""


@dataclass(slots=True)
class _Held:
    session: ChatSession
    line: Line | None
    expiry: asyncio.TimerHandle | None = None


class ChatSessions:
    def __init__(self, house: House) -> None:
        self._house = house
        self._held: dict[str, _Held] = {}

    def new(self, who: Principal) -> ChatSession:
        """One that is not held yet: without a question there is nothing to come back to."""
        return ChatSession(self._house, who, uuid.uuid4().hex)

    def hold(self, session: ChatSession, line: Line) -> None:
        """From its first question on. Raises TooManyChats."""
        if session.id in self._held:
            return
        own = [held for held in self._held.values() if _same(held.session.who, session.who)]
        while len(own) >= MOST_EACH or len(self._held) >= MOST_IN_ALL:
            # Those that wait for a client with nothing under way are worth least.
            idle = next((held for held in own if held.line is None and not held.session.busy), None)
            if idle is None:
                raise TooManyChats(
                    f"{len(own)} of yours and {len(self._held)} in all are open", hint="Close one, or wait a minute."
                )
            own.remove(idle)
            self._end(idle.session.id)
        self._held[session.id] = _Held(session, line)

    def resume(self, who: Principal, session_id: str, seq: int, line: Line) -> ChatSession:
        """Go on with what came after message `seq`; a line that it still has is taken from it.

        Raises NoChat, also where it is somebody else's, and ResumeGone."""
        held = self._held.get(session_id)
        if held is None or not _same(held.session.who, who):
            raise NoChat("there is no such chat (any more)", hint="Ask afresh; GET /api/turns has what was answered.")
        held.session.rewind(seq)
        if held.expiry is not None:
            held.expiry.cancel()
            held.expiry = None
        if held.line is not None:
            held.line.taken.set()
        held.line = line
        return held.session

    def left(self, session: ChatSession, line: Line, *, for_good: bool) -> None:
        """The line is gone; `for_good`: its client said good-bye."""
        held = self._held.get(session.id)
        if held is None or held.line is not line:
            return
        held.line = None
        if for_good:
            self._end(session.id)
        else:
            loop = asyncio.get_running_loop()
            held.expiry = loop.call_later(RETURN_WITHIN_S, self._end, session.id)

    def __len__(self) -> int:
        return len(self._held)

    def _end(self, session_id: str) -> None:
        held = self._held.pop(session_id, None)
        if held is not None:
            if held.expiry is not None:
                held.expiry.cancel()
            held.session.end()


def chat_sessions_of(app: FastAPI) -> ChatSessions:
    """Those of this application."""
    sessions: ChatSessions | None = getattr(app.state, "chat_sessions", None)
    if sessions is None:
        sessions = app.state.chat_sessions = ChatSessions(app.state.house)
    return sessions


def _same(one: Principal, other: Principal) -> bool:
    return (one.kind, one.id, one.user, one.profile) == (other.kind, other.id, other.user, other.profile)
