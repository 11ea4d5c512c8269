"""The items of a response's input, as a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.api.openai.contents import content_of
from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.messages.language import ChatMessage, ToolCall

_MOST_ITEMS = 10_000


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Message(_Item):
    role: Literal["system", "developer", "user", "assistant"]
    content: Any


class _Call(_Item):
    call_id: str = Field(min_length=1, max_length=200)
    name: str = Field(min_length=1, max_length=64)
    arguments: str = "{}"


class _Output(_Item):
    call_id: str = Field(min_length=1, max_length=200)
    output: Any


def items_of(given: object) -> list[dict[str, Any]]:
    """The input as a list of items, a string as a message of the user. Raises InvalidParameter."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list) or not given:
        raise InvalidParameter("The input is neither text nor a list of items", param="input")
    if len(given) > _MOST_ITEMS:
        raise InvalidParameter(f"More than {_MOST_ITEMS} items", param="input")
    for place, item in enumerate(given):
        if not isinstance(item, dict):
            raise InvalidParameter("An item is an object", param=f"input.{place}")
    return given


def messages_of(items: Sequence[dict[str, Any]]) -> list[ChatMessage]:
    """One after the other; calls of tools join the message of the assistant before them. Raises InvalidParameter."""
    messages: list[ChatMessage] = []
    for place, item in enumerate(items):
        where = f"input.{place}"
        kind = item.get("type", "message")
        try:
            if kind == "message":
                messages.append(_message(_Message.model_validate(item), f"{where}.content"))
            elif kind == "function_call":
                _add_call(messages, _Call.model_validate(item))
            elif kind == "function_call_output":
                output = _Output.model_validate(item)
                text, images = content_of(output.output, f"{where}.output")
                if images:
                    raise InvalidParameter("A tool answers with text", param=f"{where}.output")
                messages.append(ChatMessage(role="tool", content=text, tool_call_id=output.call_id))
            else:
                hint = "Send items of the types message, function_call and function_call_output."
                raise InvalidParameter("Solo does not take such an item", param=where, hint=hint)
        except ValidationError as error:
            raise invalid(error, where) from error
    return messages


def _message(item: _Message, where: str) -> ChatMessage:
    text, images = content_of(item.content, where)
    if images and item.role != "user":
        raise InvalidParameter("Only the user shows pictures", param=where)
    return ChatMessage(role="system" if item.role == "developer" else item.role, content=text, images=images)


def _add_call(messages: list[ChatMessage], call: _Call) -> None:
    made = ToolCall(id=call.call_id, name=call.name, arguments=call.arguments)
    last = messages[-1] if messages else None
    if last is not None and last.role == "assistant":
        messages[-1] = last.model_copy(update={"tool_calls": (*last.tool_calls, made)})
    else:
        messages.append(ChatMessage(role="assistant", content="", tool_calls=(made,)))
