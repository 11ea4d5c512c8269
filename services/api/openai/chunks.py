"""The pieces of a chat completion as bytes: everything that does not change is written once for each answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from services.api.openai.streams import STILL_HERE
from services.messages.language import CompletionEnd, TextDelta, TokenLogprob
from solo.errors import SoloError

FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "cancelled": "stop"}
DONE = b"data: [DONE]\n\n"
_FRAGMENT = 256
"""Characters of a tool's arguments in one chunk."""


class Chunks:
    """`name`: the answer's id; `usage`: a last chunk says what it took."""

    def __init__(self, name: str, created: int, model: str, *, usage: bool) -> None:
        self._usage = usage
        known = {"id": name, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = f"data: {plain_json(known)[:-1]},"
        self._before = f'{self._head}"choices":[{{"index":0,"delta":'
        nothing = ',"usage":null' if usage else ""
        self._after = f',"logprobs":null,"finish_reason":null}}]{nothing}}}\n\n'
        self._end = f"}}]{nothing}}}\n\n"

    def begin(self) -> bytes:
        """Who speaks."""
        return f'{self._before}{{"role":"assistant","content":""}}{self._after}'.encode()

    def text(self, deltas: Sequence[TextDelta]) -> bytes:
        """One chunk for all of them."""
        text, tokens = joined(deltas)
        after = self._after
        if tokens:
            after = f',"logprobs":{plain_json(logprobs_of(tokens))},"finish_reason":null{self._end}'
        return f'{self._before}{{"content":{quoted(text)}}}{after}'.encode()

    def end(self, end: CompletionEnd) -> bytes:
        """Calls of tools, why it ended, what it took."""
        calls = "".join(
            f"{self._before}{plain_json({'tool_calls': [piece]})}{self._after}"
            for index, call in enumerate(end.tool_calls)
            for piece in self._fragments(index, call.id, call.name, call.arguments)
        )
        last = f'{self._before}{{}},"logprobs":null,"finish_reason":"{FINISH[end.finish]}"{self._end}'
        took = ""
        if self._usage:
            solo = plain_json(end.model_dump(mode="json"))
            took = f'{self._head}"choices":[],"usage":{plain_json(usage_of(end))},"solo":{solo}}}\n\n'
        return (calls + last + took).encode() + DONE

    def failed(self, _: SoloError, body: bytes) -> bytes:
        return b"data: " + body + b"\n\n" + DONE

    def quiet(self) -> bytes:
        return STILL_HERE

    @staticmethod
    def _fragments(index: int, call: str, name: str, arguments: str) -> list[dict[str, Any]]:
        whole = {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        pieces = ({"index": index, "function": {"arguments": piece}} for piece in fragments(arguments))
        return [whole, *pieces]


def whole(name: str, created: int, model: str, deltas: Sequence[TextDelta], end: CompletionEnd) -> bytes:
    """The answer at once."""
    text, tokens = joined(deltas)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if end.tool_calls:
        message["content"] = text or None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in end.tool_calls
        ]
    answer = {
        "id": name,
        "object": "chat.completion",
        "created": created,
        "model": end.model or model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": logprobs_of(tokens) if tokens else None,
                "finish_reason": FINISH[end.finish],
            }
        ],
        "usage": usage_of(end),
        "solo": end.model_dump(mode="json"),
    }
    return plain_json(answer).encode()


def fragments(text: str) -> list[str]:
    """A tool's arguments, cut for several events."""
    return [text[place : place + _FRAGMENT] for place in range(0, len(text), _FRAGMENT)]


def joined(deltas: Sequence[TextDelta]) -> tuple[str, list[TokenLogprob]]:
    """Text and logprobs of all of them."""
    if len(deltas) == 1:
        return deltas[0].text, list(deltas[0].logprobs)
    return "".join(delta.text for delta in deltas), [token for delta in deltas for token in delta.logprobs]


def usage_of(end: CompletionEnd) -> dict[str, Any]:
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
        "completion_tokens_details": {
            "accepted_prediction_tokens": end.accepted_tokens,
            "rejected_prediction_tokens": end.drafted_tokens - end.accepted_tokens,
        },
    }


def logprobs_of(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    def one(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    content = [
        one(token.token, token.logprob) | {"top_logprobs": [one(*other) for other in token.top]} for token in tokens
    ]
    return {"content": content, "refusal": None}


def plain_json(value: Any) -> str:
    """ASCII alone: many clients take more signs for the end of a line than the two that are."""
    return json.dumps(value, separators=(",", ":"))
