"""Messages of content blocks, as a conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.api.openai.contents import MOST_IMAGES, decoded
from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.messages.language import ChatMessage, ToolCall


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["user", "assistant"]
    content: Any


class _Use(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    name: str = Field(min_length=1, max_length=64)
    input: dict[str, Any]


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    tool_use_id: str = Field(min_length=1, max_length=200)
    content: Any = ""


def text_of(content: object, where: str) -> str:
    """Of a string, or of blocks of text. Raises InvalidParameter."""
    if isinstance(content, str):
        return content
    texts = []
    for place, block in enumerate(_listed(content, where)):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case _:
                raise InvalidParameter("Solo takes text here", param=f"{where}.{place}")
    return "\n".join(texts)


def messages_of(given: Sequence[Message]) -> list[ChatMessage]:
    """One after the other; results of tools become messages of their own. Raises InvalidParameter."""
    messages: list[ChatMessage] = []
    for place, message in enumerate(given):
        where = f"messages.{place}.content"
        if isinstance(message.content, str):
            messages.append(ChatMessage(role=message.role, content=message.content))
        elif message.role == "assistant":
            messages.append(_said(_listed(message.content, where), where))
        else:
            messages += _asked(_listed(message.content, where), where)
    return messages


def _said(blocks: list[Any], where: str) -> ChatMessage:
    texts: list[str] = []
    calls: list[ToolCall] = []
    for place, block in enumerate(blocks):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "tool_use"}:
                try:
                    use = _Use.model_validate(block)
                except ValidationError as error:
                    raise invalid(error, f"{where}.{place}") from error
                calls.append(ToolCall(id=use.id, name=use.name, arguments=json.dumps(use.input)))
            case {"type": "thinking" | "redacted_thinking"}:
                pass  # thoughts are not for the next answer
            case _:
                raise _not_taken(f"{where}.{place}", "text and tool_use")
    return ChatMessage(role="assistant", content="\n".join(texts), tool_calls=tuple(calls))


def _asked(blocks: list[Any], where: str) -> list[ChatMessage]:
    results: list[ChatMessage] = []
    texts: list[str] = []
    images: list[bytes] = []
    for place, block in enumerate(blocks):
        at = f"{where}.{place}"
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image", "source": {"type": "base64", "data": str(data)}}:
                images.append(decoded(data, at))
            case {"type": "image"}:
                hint = "Send the picture itself: a source of the type base64."
                raise InvalidParameter("Solo fetches nothing from the web for a question", param=at, hint=hint)
            case {"type": "tool_result"}:
                try:
                    result = _Result.model_validate(block)
                except ValidationError as error:
                    raise invalid(error, at) from error
                text = text_of(result.content, f"{at}.content")
                results.append(ChatMessage(role="tool", content=text, tool_call_id=result.tool_use_id))
            case _:
                raise _not_taken(at, "text, image and tool_result")
    if len(images) > MOST_IMAGES:
        raise InvalidParameter(f"More than {MOST_IMAGES} pictures in one message", param=where)
    if texts or images or not results:
        results.append(ChatMessage(role="user", content="\n".join(texts), images=tuple(images)))
    return results


def _listed(content: object, where: str) -> list[Any]:
    if not isinstance(content, list):
        raise InvalidParameter("The content is neither text nor a list of blocks", param=where)
    return content


def _not_taken(where: str, taken: str) -> InvalidParameter:
    return InvalidParameter("Solo does not take such a block", param=where, hint=f"Send blocks of the types {taken}.")
