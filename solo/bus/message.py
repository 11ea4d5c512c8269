"""Base classes of everything that travels on the bus."""

from __future__ import annotations

import itertools
import os
import time
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from solo.bus.context import current_cause, current_turn

R = TypeVar("R")

_BOOT = f"{os.getpid():x}{time.time_ns() & 0xFFFFFFFF:08x}-"
_COUNT = itertools.count(1)


def _next_id() -> str:
    return f"{_BOOT}{next(_COUNT):x}"


class Message(BaseModel):
    """What every message carries. Immutable, and made only of what serialises."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block_bytes: ClassVar[int] = 0
    """Above 0: a question whose answer has one item for so many bytes of its sound, whatever it is asked along with."""

    id: str = Field(default_factory=_next_id)
    """Unique over processes and restarts."""
    turn_id: str | None = Field(default_factory=lambda: current_turn.get())
    """The turn it belongs to, if any."""
    cause: str | None = Field(default_factory=lambda: current_cause.get())
    """Id of the request it was sent while answering, if any."""
    monotonic: float = Field(default_factory=time.monotonic)
    """Seconds; for durations within one machine."""
    wall: float = Field(default_factory=time.time)
    """Seconds since 1970 UTC; for people."""


class Event(Message):
    """A fact, named in the past tense. Publishing never waits and never fails."""


class Request(Message, Generic[R]):
    """A question, named in the imperative, with one answer of type R."""

    idempotent: ClassVar[bool] = False
    """True when it may be asked again after its handler died: the bus then does so, once."""


class StreamRequest(Message, Generic[R]):
    """A question with many answers of type R, which come as fast as the asker takes them."""
