"""What a session refuses, and how OpenAI's clients are told."""

from __future__ import annotations

from typing import Any

from services.api.guards.refusals import TooMany
from services.api.openai.envelope import envelope
from services.api.openai.errors import InvalidParameter, NoSuchModel
from solo.errors import SoloError


class BadRealtimeEvent(InvalidParameter):
    """The event is not one of the Realtime door's."""

    code = "api.bad_realtime_event"


class ResponseUnderWay(SoloError):
    """The conversation is being answered already."""

    code = "api.response_under_way"


class NoResponse(SoloError):
    """There is no response under way to cancel."""

    code = "api.no_response"


class NothingToCommit(SoloError):
    """There is too little sound in the buffer to commit."""

    code = "api.nothing_to_commit"


class BufferFull(SoloError):
    """The input buffer holds as much sound as it may."""

    code = "api.buffer_full"


class NoItem(SoloError):
    """The conversation has no such item."""

    code = "api.no_item"


class TooManyRealtime(SoloError):
    """Too many realtime sessions are open."""

    code = "api.too_many_realtime"


class SessionIdle(SoloError):
    """The realtime session was idle for too long."""

    code = "api.session_idle"


_ASKERS = (
    InvalidParameter, ResponseUnderWay, NoResponse, NothingToCommit, BufferFull, NoItem, NoSuchModel, SessionIdle,
)  # fmt: skip
"""The asker's own doing."""


def told(error: SoloError, event_id: str | None = None) -> dict[str, Any]:
    """The error of an `error` event; `event_id`: whose fault it is."""
    status = 429 if isinstance(error, TooMany) else 400 if isinstance(error, _ASKERS) else 500
    return {**envelope(error, status)["error"], "event_id": event_id}
