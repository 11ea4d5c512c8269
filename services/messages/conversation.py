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
    model_config = ConfigDict(frozen=True)

    prompt: int
    cached: int
    completion: int
    per_second: float | None
    """Decoding speed; None when nothing was decoded."""


class Engines(BaseModel):
    """Engine and model that did each part of a turn; None: it had no part in it."""

    model_config = ConfigDict(frozen=True)

    stt: str | None = None
    llm: str | None = None
    tts: str | None = None


class Failed(BaseModel):
    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class TurnSummary(BaseModel):
    """One turn from question to answer."""

    model_config = ConfigDict(frozen=True)

    turn_id: str
    at: str
    """When it began: ISO 8601 UTC."""
    source: str
    """`text`, or the name of the sound source."""
    talk: str
    heard: str
    said: str
    outcome: Outcome
    error: Failed | None = None
    latency_ms: Latency = Latency()
    tokens: Tokens | None = None
    engines: Engines = Engines()
    receipt: Receipt | None = None
    audio_s: float = 0.0
    """Seconds of sound in the answer."""


class TurnStarted(Event):
    source: str


class QuestionHeard(Event):
    source: str
    text: str


class AnswerGrew(Event):
    source: str
    delta: str
    """Text that the answer grew by."""


class TurnFinished(Event):
    source: str
    summary: TurnSummary


class AnswerPart(BaseModel):
    """Either a piece of text, or, last, the summary."""

    model_config = ConfigDict(frozen=True)

    delta: str = ""
    summary: TurnSummary | None = None


class Ask(StreamRequest[AnswerPart]):
    """A typed question. Leaving the stream cancels the turn."""

    text: str = Field(min_length=1, max_length=16_000)
    talk: str = "default"
    """Whose history it belongs to."""
    speak_to: str | None = None
    """Name of a source that the answer is also spoken to."""
