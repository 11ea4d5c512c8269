"""What the routes below /v1 answer, in the words of OpenAI's API, for the document; clients find more in it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Finish = Literal["stop", "length", "tool_calls"]


class Answer(BaseModel):
    """Of the API's own kind: what is always there; there may be more."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)


class CalledFunction(Answer):
    name: str
    arguments: str
    """A JSON object as text, as the model wrote it."""


class FunctionCall(Answer):
    id: str
    type: Literal["function"]
    function: CalledFunction


class SaidMessage(Answer):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: list[FunctionCall] | None = None


class ChatChoice(Answer):
    index: int
    message: SaidMessage
    logprobs: dict[str, Any] | None
    finish_reason: Finish


class Usage(Answer):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


class ChatCompletion(Answer):
    id: str
    object: Literal["chat.completion"]
    created: int
    """Seconds since 1970."""
    model: str
    """Which model answered."""
    choices: list[ChatChoice]
    usage: Usage
    solo: dict[str, Any]
    """How the answer came about: times, engine, role."""


class TextChoice(Answer):
    index: int
    text: str
    logprobs: dict[str, Any] | None
    finish_reason: Finish


class TextCompletion(Answer):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage


class OneModel(Answer):
    id: str
    """What to ask it by."""
    object: Literal["model"]
    created: int
    """Seconds since 1970; 0: a role."""
    owned_by: str
    meta: dict[str, Any]
    """What is known of the model, or whom the role is bound to."""


class ModelList(Answer):
    object: Literal["list"]
    data: list[OneModel]


class OneEmbedding(Answer):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    """Numbers, or little-endian 32-bit floats in base64."""


class EmbeddingUsage(Answer):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Answer):
    object: Literal["list"]
    data: list[OneEmbedding]
    model: str
    usage: EmbeddingUsage


class Ranked(Answer):
    index: int
    """Of the document in the request."""
    relevance_score: float
    document: dict[str, str] | None = None


class Ranking(Answer):
    model: str
    results: list[Ranked]
    """Best first."""
    meta: dict[str, str]


class ResponseUsage(Answer):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class ModelResponse(Answer):
    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    model: str
    output: list[dict[str, Any]]
    """Messages, and calls of functions."""
    usage: ResponseUsage
    error: None
    incomplete_details: dict[str, str] | None
    previous_response_id: str | None
    metadata: dict[str, str]
    store: bool
    solo: dict[str, Any]


class DeletedResponse(Answer):
    id: str
    object: Literal["response"]
    deleted: Literal[True]


class InputItem(Answer):
    id: str
    type: str


class InputItems(Answer):
    object: Literal["list"]
    data: list[InputItem]
    first_id: str | None
    last_id: str | None
    has_more: bool
