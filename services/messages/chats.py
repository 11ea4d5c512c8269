"""Conversations that outlive the daemon: profiles, chats, messages."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.profiles import OWNER
from solo.bus import Request

EXCHANGE_STORED = "chats.exchange"
"""Outbox topic: an exchange was committed. The body is an `Exchange`."""


class Exchange(BaseModel):
    """A question and its answer."""

    model_config = ConfigDict(frozen=True)

    turn_id: str
    """Which turn; also what makes storing it twice harmless."""
    profile: str = OWNER
    """Whose."""
    talk: str
    """Name of the chat."""
    heard: str
    """The question."""
    said: str
    """The answer, as far as it was said."""
    outcome: str = "answered"
    """How the turn ended."""
    source: str = "text"
    """`text`, or the name of the sound source."""
    at: str
    """When it began: ISO 8601 UTC."""


class StoreExchange(Request[Literal["stored", "known"]]):
    """Keep an exchange; answered after COMMIT."""

    idempotent = True

    exchange: Exchange
    """What to keep."""


class LoadTalk(Request[tuple[Exchange, ...]]):
    """The last exchanges of a chat, oldest first."""

    idempotent = True

    profile: str = OWNER
    """Whose."""
    talk: str
    """Name of the chat."""
    newer_than_s: float = Field(gt=0)
    """Only when its last message is at most this old, in seconds; otherwise the talk begins afresh."""
    limit: int = Field(default=20, ge=1, le=200)
    """Exchanges at most."""


class Chat(BaseModel):
    """One chat of a profile."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its name."""
    exchanges: int
    """Questions asked in it."""
    first_at: str
    """ISO 8601 UTC."""
    last_at: str
    """ISO 8601 UTC."""


class ListChats(Request[tuple[Chat, ...]]):
    """The chats of a profile, the one used last first."""

    idempotent = True

    profile: str = OWNER
    """Whose."""
    limit: int = Field(default=100, ge=1, le=1000)
    """How many at most."""


class ReadChat(Request[tuple[Exchange, ...]]):
    """A page of a chat, newest first."""

    idempotent = True

    profile: str = OWNER
    """Whose."""
    talk: str | None
    """Name of the chat; None: of all of them together."""
    limit: int = Field(default=50, ge=1, le=500)
    """How many at most."""
    before: str | None = None
    """Only what began before this time (ISO 8601)."""


class ForgetChat(Request[int]):
    """Forget a chat with all its messages; the answer is how many exchanges went."""

    profile: str = OWNER
    """Whose."""
    talk: str
    """Name of the chat."""
