"""An answer in Anthropic's words: the message whole, and the events of its making."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from services.api.openai.chunks import fragments, joined, plain_json
from services.api.openai.streams import STILL_HERE
from services.messages.language import CompletionEnd, TextDelta, ToolCall
from solo.errors import SoloError

STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "cancelled": "end_turn"}


def whole(name: str, model: str, text: str, end: CompletionEnd) -> bytes:
    """The message at once."""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text or not end.tool_calls else []
    content += [_use(call, _input(call)) for call in end.tool_calls]
    said = _message(name, end.model or model) | {
        "content": content,
        "stop_reason": STOPS[end.finish],
        "usage": usage_of(end),
        "solo": end.model_dump(mode="json"),
    }
    return plain_json(said).encode()


class Events:
    """A `Told`: the events of a message. Its input's tokens are known at the end, in `message_delta`."""

    def __init__(self, name: str, model: str) -> None:
        self._name = name
        self._model = model
        self._begun = False
        self._open = False
        self._delta = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'

    def begin(self) -> bytes:
        usage = {"input_tokens": 0, "output_tokens": 0}
        return _event("message_start", {"message": _message(self._name, self._model) | {"usage": usage}})

    def text(self, deltas: Sequence[TextDelta]) -> bytes:
        text, _ = joined(deltas)
        self._begun = True
        said = b"" if self._open else self._opened()
        return said + f'{self._delta}{{"type":"text_delta","text":{quoted(text)}}}}}\n\n'.encode()

    def end(self, end: CompletionEnd) -> bytes:
        said = b"" if self._open or end.tool_calls else self._opened()
        if self._open:
            said += _event("content_block_stop", {"index": 0})
        for index, call in enumerate(end.tool_calls, start=int(self._open)):
            said += _event("content_block_start", {"index": index, "content_block": _use(call, {})})
            for piece in fragments(json.dumps(_input(call))):
                delta = {"type": "input_json_delta", "partial_json": piece}
                said += _event("content_block_delta", {"index": index, "delta": delta})
            said += _event("content_block_stop", {"index": index})
        over = {"stop_reason": STOPS[end.finish], "stop_sequence": None}
        said += _event("message_delta", {"delta": over, "usage": usage_of(end)})
        return said + _event("message_stop", {})

    def failed(self, _: SoloError, body: bytes) -> bytes:
        return b"event: error\ndata: " + body + b"\n\n"

    def quiet(self) -> bytes:
        return _event("ping", {}) if self._begun else STILL_HERE

    def _opened(self) -> bytes:
        self._open = True
        return _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})


def usage_of(end: CompletionEnd) -> dict[str, Any]:
    """What was still in the model's cache is counted apart, as Anthropic does."""
    return {
        "input_tokens": end.prompt_tokens - end.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": end.cached_tokens,
        "output_tokens": end.completion_tokens,
    }


def _message(name: str, model: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
    return {"id": name, "type": "message", "role": "assistant", "model": model, **empty}


def _use(call: ToolCall, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}


def _input(call: ToolCall) -> dict[str, Any]:
    """The arguments as an object; what the model wrote that is none is `text` of one."""
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = None
    return given if isinstance(given, dict) else {"text": call.arguments}


def _event(kind: str, said: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {plain_json({'type': kind, **said})}\n\n".encode()
