"""Turns that are kept whole: what was heard, said and decided, to be looked at and played again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from services.messages.profiles import OWNER
from solo.bus import Request


class KeptTurn(BaseModel):
    """One recording at a glance."""

    model_config = ConfigDict(frozen=True)

    turn_id: str
    """Id of the turn."""
    at: str
    """When it began: ISO 8601 UTC."""
    source: str
    """`text`, or the name of the sound source."""
    heard: str
    """The question; empty when nothing was understood."""
    outcome: str
    """How it ended."""
    voice_to_voice_ms: float | None
    """From the last speech sample to the first audible one of the answer; None: it did not come to that."""
    seconds: float
    """Length of the recording."""
    size: int
    """Of its file, in bytes."""
    violations: tuple[str, ...]
    """Invariants that were broken in it."""
    missing: str
    """Why it cannot be played again, where it cannot; empty otherwise."""


class ListKeptTurns(Request[tuple[KeptTurn, ...]]):
    """Which turns are kept? Newest first."""

    idempotent = True

    profile: str = OWNER
    """Whose."""


class DescribeKeptTurn(Request[dict[str, Any] | None]):
    """The manifest of a recording, as docs/replay.md describes it; None: this profile has no such turn."""

    idempotent = True

    kept: str
    """Id of the turn."""
    profile: str = OWNER
    """Whose."""


class FetchKeptTurn(Request[bytes | None]):
    """The file of a recording; None: this profile has no such turn."""

    idempotent = True

    kept: str
    """Id of the turn."""
    profile: str = OWNER
    """Whose."""


class ForgetKeptTurns(Request[int]):
    """Delete recordings; answered with how many there were. Without `kept` and `talk`: all of this profile."""

    kept: str | None = None
    """Only the one of this turn."""
    talk: str | None = None
    """Only those of this talk."""
    profile: str = OWNER
    """Whose."""
