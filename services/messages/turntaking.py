"""Whose turn it is to speak. Three kinds of facts, kept apart: voice activity, proposed turns, decided turns.

Voice activity is `SpeechStarted` (audio.py), `SpeechStopped` and `SpeechResumed`; a turn is proposed by
`UtterancePaused` and decided by `UtteranceHeard` (audio.py).
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from services.messages.profiles import OWNER
from solo.bus import Event, Request


class SpeechStopped(Event):
    """Somebody who was speaking is silent: nothing is known yet of why."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance."""


class SpeechResumed(Event):
    """Somebody who was silent goes on with the same utterance."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance."""
    silence_s: float
    """How long the silence was."""


class SpeechGrew(Event):
    """Somebody is still speaking: what was said so far, for a look ahead."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance; the same as in its pauses."""
    pcm: bytes
    """As in `UtteranceHeard`."""
    wake_word: str | None
    """Id of the wake word in it; None when none was needed."""
    talk: str
    """Whose history the question belongs to."""
    profile: str = OWNER
    """Whose history and memory that is."""


class TranscriptGrew(Event):
    """What somebody who is still speaking has said so far."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance."""
    committed: str
    """Words that two readings in a row agree on; they are not taken back."""
    tentative: str
    """Words behind them, which may still change."""


class TurnEnd(BaseModel):
    """What a turn model makes of a pause."""

    model_config = ConfigDict(frozen=True)

    probability: float
    """0 to 1: that the speaker has finished."""
    wait_ms: float
    """Silence, from the last speech sample, after which the turn should be taken for finished."""
    engine: str
    """Engine and model, for people."""


class JudgeTurnEnd(Request[TurnEnd]):
    """Somebody pauses: have they finished?"""

    idempotent = True

    source: str
    """Name of the source."""
    pcm: bytes
    """s16le mono 16 kHz: the utterance so far, up to the end of the pause's silence."""


class PauseJudged(Event):
    """How long to wait in this pause: somebody knows more of it than its silence."""

    source: str
    """Name of the source."""
    utterance: str
    """Id of the utterance."""
    pause: int
    """Number of the pause."""
    wait_ms: float
    """Silence, from the last speech sample, after which the turn is decided."""
    by: str
    """Who says so, such as `words` or `smart-turn`."""


class ListenNow(Event):
    """Listen without a wake word: a hot-key, a button, `solo listen`."""

    source: str
    """Name of the source."""
    hold: bool = False
    """Push-to-talk: the utterance goes on until `EndUtterance`, whatever pauses it has."""


class EndUtterance(Event):
    """The speaker says that they have finished: push-to-talk released, a client's commit."""

    source: str
    """Name of the source."""


class BargeInStarted(Event):
    """Somebody speaks while Solo does; its sound is held until it is decided what that was."""

    source: str
    """Name of the source."""
    paused_ms: float
    """From the onset of speech to the held sound, in milliseconds."""


class Verdict(StrEnum):
    """What speech over an answer was."""

    INTERRUPT = "interrupt"
    """Somebody wants to speak: the answer ends."""
    RESUME = "resume"
    """Nobody wanted anything: the answer goes on."""


class Interruption(BaseModel):
    """The decision on speech over an answer."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    """What to do."""
    why: str
    """`speech`, `stop`, `backchannel`, `echo`, `silence`, `no words`, `timeout`."""
    text: str = ""
    """What was understood, where something was."""


class JudgeInterruption(Request[Interruption]):
    """Somebody spoke while Solo did: go on, or listen?"""

    source: str
    """Name of the source."""
    pcm: bytes
    """s16le mono 16 kHz: from a little before the onset until now."""
    speaking: bool
    """The speech has not ended yet."""
    profile: str = OWNER
    """Whose turn it is."""


class BargeInDecided(Event):
    """It is known what the speech over an answer was."""

    source: str
    """Name of the source."""
    verdict: Verdict
    """What was done."""
    why: str
    """As in `Interruption`."""
    decided_ms: float
    """From the onset of speech to the decision, in milliseconds."""


class Speculated(Event):
    """What came of work that began inside the silence."""

    source: str
    """Name of the source."""
    hit: bool
    """The pause was the end, and the work was used."""
    saved_ms: float = Field(default=0.0, ge=0)
    """Work done before the turn was decided, which nobody waited for; 0 for a miss."""
    spent_ms: float = Field(default=0.0, ge=0)
    """Work thrown away; 0 for a hit."""


class AnswerAwaited(Event):
    """Solo asked something back: when it has been heard, the source listens for a while without a wake word."""

    source: str
    """Name of the source."""
