"""What /v1/messages answers, in the words of Anthropic's API, for the document; clients find more in it."""

from __future__ import annotations

from typing import Any, Literal

from services.api.openai.answers import Answer


class MessageUsage(Answer):
    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


class AnthropicMessage(Answer):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    """Blocks of the types text and tool_use."""
    stop_reason: Literal["end_turn", "max_tokens", "tool_use"]
    stop_sequence: None
    usage: MessageUsage
    solo: dict[str, Any]


class TokenCount(Answer):
    input_tokens: int
