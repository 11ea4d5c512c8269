"""What Solo says in a conversation over `/ws/voice`, besides sound. docs/voice-page.md has an example of each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.conversation import TurnSummary
from services.messages.turntaking import Verdict


class Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Ready(Told):
    """The line stands; sound may come."""

    type: Literal["ready"] = "ready"
    source: str
    """Name of this line among the sources of sound."""
    sample_rate: int = 16_000
    """Hz of the sound that the client sends: s16le, mono, usually 20 ms a frame."""


class Listening(Told):
    """Solo waits for somebody to speak."""

    type: Literal["listening"] = "listening"
    until: Literal["speech", "wake", "press"]
    """What it waits for: speech, the wake word, or a pressed button."""
    word: str | None = None
    """The wake word that was just heard."""


class Speech(Told):
    """Somebody speaks, or pauses, or goes on."""

    type: Literal["speech"] = "speech"
    state: Literal["started", "stopped", "resumed"]
    """`stopped`: perhaps only for a moment."""


class Partial(Told):
    """What somebody who is still speaking has said so far."""

    type: Literal["partial"] = "partial"
    committed: str
    """Words that are not taken back."""
    tentative: str
    """Words behind them that may still change."""


class Started(Told):
    """A turn has begun: what was said is being dealt with."""

    type: Literal["started"] = "started"
    turn: str
    """Its id."""


class Heard(Told):
    """What was asked is known."""

    type: Literal["heard"] = "heard"
    turn: str
    """Id of the turn."""
    text: str
    """The question, without the wake word."""


class Delta(Told):
    """The answer's text grew. It runs ahead of its sound."""

    type: Literal["delta"] = "delta"
    turn: str
    """Id of the turn."""
    text: str
    """What it grew by."""


class Sound(Told):
    """The next frame is binary: a piece of this turn's sound, s16le mono."""

    type: Literal["sound"] = "sound"
    turn: str
    """Id of the turn; empty: of none, such as an announcement."""
    sample_rate: int
    """Hz."""


class SoundEnd(Told):
    """This turn has no more sound."""

    type: Literal["sound_end"] = "sound_end"
    turn: str
    """Id of the turn."""


class Pause(Told):
    """Hold the sound at the sample where it is: somebody speaks over it."""

    type: Literal["pause"] = "pause"


class Resume(Told):
    """Go on from that sample."""

    type: Literal["resume"] = "resume"


class Stop(Told):
    """Play nothing more of this turn, and forget what waits."""

    type: Literal["stop"] = "stop"
    turn: str
    """Id of the turn; empty: of whatever plays."""


class BargeIn(Told):
    """It is known what the speech over an answer was."""

    type: Literal["barge_in"] = "barge_in"
    verdict: Verdict
    """What was done."""
    why: str
    """`speech`, `stop`, `backchannel`, `echo`, `silence`, `no words` or `timeout`."""
    decided_ms: float
    """From the onset of speech to the decision."""


class Volume(Told):
    """How loud answers are from now on."""

    type: Literal["volume"] = "volume"
    volume: float = Field(ge=0, le=1)
    """0 (silent) to 1; amplitudes are multiplied by it."""


class Turn(Told):
    """A turn is over."""

    type: Literal["turn"] = "turn"
    turn: TurnSummary
    """All of it, with the milliseconds of each of its points."""


class Problem(Told):
    """Something failed; the line stays open unless the next thing is its end."""

    type: Literal["error"] = "error"
    error: dict[str, str]
    """`code` (docs/errors.md), `message`, `hint`."""
    turn: str | None = None
    """Id of the turn that it is about; None: of none."""


MESSAGES: tuple[type[Told], ...] = (
    Ready, Listening, Speech, Partial, Started, Heard, Delta, Sound, SoundEnd, Pause, Resume, Stop, BargeIn, Volume,
    Turn, Problem,
)  # fmt: skip
