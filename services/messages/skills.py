"""What is understood by its words alone, without a language model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from services.messages.profiles import OWNER
from solo.bus import Request

Control = Literal["none", "stop", "repeat", "afresh"]
"""What only the conversation can do: end what is being said, say the last answer again, begin the talk afresh."""


class SkillMatch(BaseModel):
    """A sentence that a skill understands."""

    model_config = ConfigDict(frozen=True)

    skill: str
    """Id, such as `timer.set`."""
    slots: dict[str, str] = {}
    """What was said in the sentence's gaps, such as `{"minutes": "5", "name": "eggs"}`."""
    control: Control = "none"
    """Known before it runs, so that `stop` needs nobody else."""


class MatchSkill(Request[SkillMatch | None]):
    """Does a skill understand this? Changes nothing, so it may be asked of what is only half said."""

    idempotent = True

    text: str
    """The whole utterance, without the wake word."""
    profile: str = OWNER
    """Whose question it is."""


class SkillReply(BaseModel):
    """What a skill did and says."""

    model_config = ConfigDict(frozen=True)

    say: str
    """To be spoken; empty: nothing."""
    control: Control = "none"
    """What the conversation has to do."""
    listen: bool = False
    """It asked something back: listen again without a wake word."""


class RunSkill(Request[SkillReply]):
    """Do it. Asked once the turn is decided."""

    match: SkillMatch
    """What `MatchSkill` answered."""
    text: str
    """The utterance."""
    source: str
    """`text`, or the name of the sound source."""
    talk: str = "default"
    """Which history it belongs to."""
    profile: str = OWNER
    """Whose question it is."""
