"""Questions to the language model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Request, StreamRequest


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant"]
    """Who says it."""
    content: str
    """Plain text."""


class TextDelta(BaseModel):
    """The next piece of an answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    """Whole characters; joined they are the answer."""


class Receipt(BaseModel):
    """What the model's context was spent on, in tokens."""

    model_config = ConfigDict(frozen=True)

    system: int
    """The system prompt."""
    history: int
    """Earlier questions and answers."""
    memory: int = 0
    """What was remembered for the question."""
    question: int
    """The question itself."""
    template: int
    """The markers around the messages."""
    dropped_messages: int
    """Oldest messages of the history left out because they did not fit."""
    cached: int
    """Prompt tokens that had not to be evaluated again."""


class CompletionEnd(BaseModel):
    """The last item of a completion."""

    model_config = ConfigDict(frozen=True)

    finish: Literal["stop", "length", "cancelled"]
    """`stop`: it was finished; `length`: `max_tokens` were reached; `cancelled`: the asker left."""
    prompt_tokens: int
    """Tokens of the prompt."""
    cached_tokens: int
    """Of those, how many had not to be evaluated again."""
    completion_tokens: int
    """Tokens of the answer."""
    prefill_s: float
    """Seconds until the prompt was evaluated."""
    decode_s: float
    """Seconds that the answer's tokens took."""
    receipt: Receipt
    """What the context was spent on."""
    engine: str
    """Engine and model, for people."""


class Complete(StreamRequest[TextDelta | CompletionEnd]):
    """Answer this conversation: deltas, then one `CompletionEnd`."""

    messages: tuple[ChatMessage, ...]
    """System prompt, history, perhaps a system message with what is remembered, and last the question."""
    prefix: str = ""
    """The beginning of the answer, already said: generation goes on behind it."""
    max_tokens: int = Field(default=256, ge=1)
    """Longest answer, in tokens."""
    temperature: float = Field(default=0.0, ge=0)
    """0: always the likeliest token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of the probability that is sampled from."""
    seed: int | None = None
    """The same seed gives the same answer; None: another each time."""
    stop: tuple[str, ...] = ()
    """Texts at which the answer ends; they are not part of it."""


class Prefill(Request[int]):
    """Evaluate the stable beginning of a prompt before it is needed; the answer is its tokens."""

    idempotent = True

    messages: tuple[ChatMessage, ...]
    """The beginning of the prompts to come."""
