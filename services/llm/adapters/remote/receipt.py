"""What a prompt was spent on, as far as a server's totals tell it."""

from __future__ import annotations

from collections.abc import Sequence

from services.llm.zones import zone_of
from services.messages.language import ChatMessage, Receipt, Tool

_BYTES_A_TOKEN = 4
"""Of English text, about, for usual vocabularies."""
_MARKS = 4
"""Tokens of the markers around one message, about."""
_PICTURE = 256
"""Tokens of a picture; models take some hundred to some thousand."""


def weight_of(message: ChatMessage) -> int:
    """Tokens of its content, estimated."""
    length = len(message.content.encode(errors="replace"))
    length += sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return -(-length // _BYTES_A_TOKEN) + _PICTURE * len(message.images)


def weight_of_tools(tools: Sequence[Tool]) -> int:
    """Tokens of their descriptions, estimated."""
    return sum(len(tool.model_dump_json()) for tool in tools) // _BYTES_A_TOKEN


def estimate(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
    """Tokens of a whole prompt, estimated from its length."""
    return sum(weight_of(message) + _MARKS for message in messages) + weight_of_tools(tools) + _MARKS


def receipt(
    messages: Sequence[ChatMessage], tools: Sequence[Tool], prompt_tokens: int, cached: int, left_out: Sequence[int]
) -> Receipt:
    """The zones share the prompt's tokens, which the server has counted, in proportion to their estimated lengths;
    what rounding leaves over is the template's. `left_out`: estimated tokens of each message of the history that
    was left out."""
    weights = {"system": 0, "history": 0, "memory": 0, "question": 0, "tools": weight_of_tools(tools)}
    for index, message in enumerate(messages):
        weights[zone_of([message.role for message in messages], index)] += weight_of(message)
    whole = sum(weights.values()) + _MARKS * (len(messages) + 1)
    zones = {name: weight * prompt_tokens // whole for name, weight in weights.items()}
    return Receipt(
        **zones,
        template=prompt_tokens - sum(zones.values()),
        dropped_messages=len(left_out),
        dropped_tokens=sum(left_out),
        cached=cached,
    )


def shortened(messages: Sequence[ChatMessage], over: float) -> list[ChatMessage] | None:
    """Without the oldest exchanges of the history, at least one and the share `over` (0 to 1) of the whole prompt;
    None: there is no history to leave out. System messages and the last one always stay."""
    wanted = over * sum(weight_of(message) + _MARKS for message in messages)
    kept = list(messages)
    gone = 0.0
    while gone == 0 or gone < wanted:
        first = next((i for i, message in enumerate(kept[:-1]) if message.role != "system"), None)
        if first is None:
            return kept if gone else None
        # A question goes with its answers.
        end = first + 1
        while end < len(kept) - 1 and kept[end].role in {"assistant", "tool"}:
            end += 1
        gone += sum(weight_of(message) + _MARKS for message in kept[first:end])
        del kept[first:end]
    return kept
