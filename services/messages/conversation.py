"""Turns: asked, growing, finished."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.language import Receipt
from services.messages.memory import Place
from services.messages.profiles import OWNER
from solo.bus import Event, Request, StreamRequest

Outcome = Literal["answered", "failed", "no_speech", "no_wake", "cancelled", "continued", "announced"]
"""`continued`: the speaker went on with the question, and another turn answers the whole of it; `announced`: nobody had
asked."""


class Latency(BaseModel):
    """Milliseconds from the last speech sample (typed text: from the question) to each point; None: not reached."""

    model_config = ConfigDict(frozen=True)

    end_of_turn: float | None = None
    """It was certain that the speaker had finished."""
    transcript: float | None = None
    """The text was there."""
    recalled: float | None = None
    """Memory had answered, or was not waited for any longer."""
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


class Citation(BaseModel):
    """A passage of a document that the model was given with the question."""

    model_config = ConfigDict(frozen=True)

    number: int
    """By which the prompt names it, from 1."""
    source: Place
    """Document, page and offset."""
    collection: str
    """Where the document is."""
    score: float
    """Likeness of question and passage, 0 to 1."""
    text: str
    """The passage."""


class MemoryReceipt(BaseModel):
    """What memory did for a turn."""

    model_config = ConfigDict(frozen=True)

    state: Literal["used", "nothing", "late", "failed", "left_out", "off"]
    """`nothing`: nothing fits the question; `late`: it took too long and was not waited for; `failed`: see `code`;
    `left_out`: it did not fit the model's context; `off`: Solo runs without memory, or was not asked."""
    facts: int = 0
    """Facts in the prompt."""
    passages: int = 0
    """Passages of documents in the prompt."""
    left_out: int = 0
    """Found, but there was no room for them."""
    ms: float = 0.0
    """Milliseconds that remembering took."""
    code: str | None = None
    """Of the error, when it is `late` or `failed`."""


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
    """Which history it belongs to."""
    profile: str = OWNER
    """Whose turn it is."""
    utterance: str | None = None
    """Id of the utterance that it answers; None: it was typed, or nobody asked."""
    heard: str
    """The question; empty when nothing was understood."""
    said: str
    """The answer, as far as it came; of a spoken one that was interrupted, what was heard of it."""
    skill: str | None = None
    """Id of the skill that answered instead of a model."""
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
    memory: MemoryReceipt = MemoryReceipt(state="off")
    """What memory did for it."""
    citations: tuple[Citation, ...] = ()
    """Passages that the model was given."""
    stored: bool = False
    """Question and answer are in the database."""
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
    """A typed question. Leaving the stream cancels the turn, whose id is the question's `turn_id` where it has one."""

    text: str = Field(min_length=1, max_length=16_000)
    """The question."""
    talk: str = "default"
    """Whose history it belongs to."""
    profile: str = OWNER
    """Whose memory is asked, and keeps it."""
    speak_to: str | None = None
    """Name of a source that the answer is also spoken to."""


class TuneConversation(Request[None]):
    """Change how the next turns are answered, until the daemon stops; None leaves it."""

    system_prompt: str | None = None
    """What the model is told before every talk."""
    max_tokens: int | None = Field(default=None, ge=1, le=8192)
    """Longest answer."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """0: always the likeliest answer."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Share of the probability that is sampled from."""
    when_full: Literal["trim", "summarise"] | None = None
    """What becomes of a talk's beginning that no longer fits."""
    forget_after_s: float | None = Field(default=None, gt=0)
    """Silence after which a talk begins afresh, in seconds."""
