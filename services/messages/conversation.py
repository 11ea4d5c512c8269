"""Turns: asked, growing, finished."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.language import Receipt
from solo.bus import Event, StreamRequest

Outcome = Literal["answered", "failed", "no_speech", "no_wake", "cancelled"]


class Latency(BaseModel):
    """Milliseconds from the last speech sample (typed text: from the question) to each point; None: not reached."""

    model_config = ConfigDict(frozen=True)

    end_of_turn: float | None = None
    """It was certain that the speaker had finished."""
    transcript: float | None = None
    """The text was there."""
    first_token: float | None = None
    """The model's first text was there."""
    first_audio: float | None = None
    """The first piece of the answer's sound was made."""
    voice_to_voice: float | None = None
    """The first audible sample of the answer was handed to the source."""
    finished: float | None = None
    """The whole answer was handed over."""


class Tokens(BaseModel):
    """What an answer cost the model, in tokens."""

    model_config = ConfigDict(frozen=True)

    prompt: int
    """In the prompt."""
    cached: int
    """Of the prompt, those that had not to be evaluated again."""
    completion: int
    """In the answer."""
    per_second: float | None
    """Decoding speed; None when nothing was decoded."""


class Engines(BaseModel):
    """Engine and model that did each part of a turn; None: it had no part in it."""

    model_config = ConfigDict(frozen=True)

    stt: str | None = None
    """Who transcribed."""
    llm: str | None = None
    """Who answered."""
    tts: str | None = None
    """Who spoke."""


class Failed(BaseModel):
    """Why a turn failed."""

    model_config = ConfigDict(frozen=True)

    code: str
    """The error's stable code."""
    message: str
    """What happened, for people."""


class TurnSummary(BaseModel):
    """One turn from question to answer."""

    model_config = ConfigDict(frozen=True)

    turn_id: str
    """Id of the turn, as in every message that belongs to it."""
    at: str
    """When it began: ISO 8601 UTC."""
    source: str
    """`text`, or the name of the sound source."""
    talk: str
    """Whose history it belongs to."""
    heard: str
    """The question; empty when nothing was understood."""
    said: str
    """The answer, as far as it came."""
    outcome: Outcome
    """How it ended."""
    error: Failed | None = None
    """Why, when it failed."""
    latency_ms: Latency = Latency()
    """When each point was reached."""
    tokens: Tokens | None = None
    """None when the model was not asked, or did not finish."""
    engines: Engines = Engines()
    """Who did what."""
    receipt: Receipt | None = None
    """What the model's context was spent on; None as with `tokens`."""
    audio_s: float = 0.0
    """Seconds of sound in the answer."""


class TurnStarted(Event):
    """A question is being dealt with."""

    source: str
    """`text`, or the name of the sound source."""


class QuestionHeard(Event):
    """What was asked is known."""

    source: str
    """`text`, or the name of the sound source."""
    text: str
    """The question, without the wake word."""


class AnswerGrew(Event):
    """The model said more of its answer."""

    source: str
    """`text`, or the name of the sound source."""
    delta: str
    """Text that the answer grew by."""


class TurnFinished(Event):
    """A turn is over, however it ended."""

    source: str
    """`text`, or the name of the sound source."""
    summary: TurnSummary
    """All of it."""


class AnswerPart(BaseModel):
    """Either a piece of text, or, last, the summary."""

    model_config = ConfigDict(frozen=True)

    delta: str = ""
    """Text that the answer grew by; empty in the last part."""
    summary: TurnSummary | None = None
    """In the last part only."""


class Ask(StreamRequest[AnswerPart]):
    """A typed question. Leaving the stream cancels the turn."""

    text: str = Field(min_length=1, max_length=16_000)
    """The question."""
    talk: str = "default"
    """Whose history it belongs to."""
    speak_to: str | None = None
    """Name of a source that the answer is also spoken to."""
