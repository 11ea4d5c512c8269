"""What must be true of every turn, and what is done when it is not."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from solo.bus import Event, Request

Invariant = Literal["wake_ends", "clock_moves", "one_answer", "turn_moves"]
"""wake_ends: every wake word ends in an answer, a time-out or a named error; clock_moves: what is being spoken is being
heard; one_answer: a source has one answer at a time; turn_moves: no turn stays in one state for longer than it may."""


class InvariantViolated(Event):
    """Something that must be true of every turn is not."""

    invariant: Invariant
    """Which."""
    source: str
    """Name of the sound source, or `text`."""
    violated_turn: str | None
    """Id of the turn; None: it has none yet."""
    detail: str
    """What was seen, for people."""
    healed: Literal["cancelled", "silenced", "ended", "resumed", "nothing"]
    """What was done about it: the turn cancelled, its sound forgotten, the utterance ended, the sound played on."""


class CancelTurn(Request[bool]):
    """End this turn, whoever asked for it; False: it is not under way."""

    cancelled_turn: str
    """Its id."""


class InvariantState(BaseModel):
    """The watch over the turns at a glance."""

    model_config = ConfigDict(frozen=True)

    turns: int
    """Turns seen since the start."""
    open: int
    """Turns and listenings that are under way."""
    violations: dict[str, int]
    """By invariant, since the start."""


class DescribeInvariants(Request[InvariantState]):
    """Has anything been wrong with the turns?"""

    idempotent = True
