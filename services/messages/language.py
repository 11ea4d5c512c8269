"""Questions to the language model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Request, StreamRequest


class ChatMessage(BaseModel):
    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class TextDelta(BaseModel):
    model_config = ConfigDict(frozen=True)

    text: str
    """Whole characters; joined they are the answer."""


class Receipt(BaseModel):
    """What the model's context was spent on, in tokens."""

    model_config = ConfigDict(frozen=True)

    system: int
    history: int
    question: int
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
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    prefill_s: float
    decode_s: float
    receipt: Receipt
    engine: str


class Complete(StreamRequest[TextDelta | CompletionEnd]):
    """Answer this conversation: deltas, then one `CompletionEnd`."""

    messages: tuple[ChatMessage, ...]
    prefix: str = ""
    """The beginning of the answer, already said: generation goes on behind it."""
    max_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Prefill(Request[int]):
    """Evaluate the stable beginning of a prompt before it is needed; the answer is its tokens."""

    idempotent = True

    messages: tuple[ChatMessage, ...]
