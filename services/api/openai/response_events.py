"""A response as OpenAI's API tells it: the object, and the events of its making."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from services.api.openai.chunks import fragments, joined, logprobs_of, plain_json
from services.api.openai.response_request import ResponseRequest
from services.api.openai.streams import STILL_HERE
from services.messages.language import CompletionEnd, TextDelta, TokenLogprob
from solo.errors import SoloError


class Described:
    """What stays the same of a response while it is made."""

    def __init__(self, name: str, asked: ResponseRequest) -> None:
        self.name = name
        self.message = f"msg_{name.removeprefix('resp_')}"
        self._known: dict[str, Any] = {
            "id": name,
            "object": "response",
            "created_at": int(time.time()),
            "background": False,
            "instructions": asked.instructions or None,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata,
            "model": asked.model or "solo",
            "parallel_tool_calls": True,
            "previous_response_id": asked.previous_response_id,
            "store": asked.store,
            "temperature": asked.temperature,
            "text": {"format": asked.text.get("format") or {"type": "text"}},
            "tool_choice": asked.tool_choice,
            "tools": list(asked.tools),
            "top_logprobs": asked.top_logprobs or 0,
            "top_p": asked.top_p,
            "truncation": asked.truncation,
        }

    def now(self, status: str, output: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
        """The response as it stands."""
        open_ = {"error": None, "incomplete_details": None, "usage": None}
        return {**self._known, "status": status, "output": list(output), **open_, **more}

    def done(self, text: str, tokens: Sequence[TokenLogprob], end: CompletionEnd) -> dict[str, Any]:
        """The response when its answer is over."""
        cut = end.finish == "length"
        output = [self.said("incomplete" if cut else "completed", text, tokens)] if text or not end.tool_calls else []
        output += [self.call(index, end, whole=True) for index in range(len(end.tool_calls))]
        usage = {
            "input_tokens": end.prompt_tokens,
            "input_tokens_details": {"cached_tokens": end.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": end.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": end.prompt_tokens + end.completion_tokens,
        }
        more: dict[str, Any] = {"usage": usage, "solo": end.model_dump(mode="json")}
        if end.model:
            more["model"] = end.model
        if cut:
            return self.now("incomplete", output, **more, incomplete_details={"reason": "max_output_tokens"})
        return self.now("completed", output, **more, completed_at=int(time.time()))

    def said(self, status: str, text: str | None, tokens: Sequence[TokenLogprob] = ()) -> dict[str, Any]:
        """The message; `text` None: nothing of it has come."""
        content = [] if text is None else [part(text, tokens)]
        return {"id": self.message, "type": "message", "status": status, "role": "assistant", "content": content}

    def call(self, index: int, end: CompletionEnd, *, whole: bool) -> dict[str, Any]:
        """One of the tools it asks for."""
        call = end.tool_calls[index]
        return {
            "id": f"fc_{index}_{self.message.removeprefix('msg_')}",
            "type": "function_call",
            "status": "completed" if whole else "in_progress",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments if whole else "",
        }


class Events:
    """A `Told`: the events of a response."""

    def __init__(self, described: Described, finished: Callable[[dict[str, Any], str, CompletionEnd], None]) -> None:
        """`finished` is called with the response, its text and its end, before the last event is sent."""
        self._described = described
        self._finished = finished
        self._number = -1
        self._texts: list[str] = []
        self._tokens: list[TokenLogprob] = []
        self._open = False
        self._at = {"item_id": described.message, "output_index": 0, "content_index": 0}
        self._delta = _head("response.output_text.delta") + plain_json(self._at)[1:-1]

    def begin(self) -> bytes:
        said = {"response": self._described.now("in_progress")}
        return self._event("response.created", said) + self._event("response.in_progress", said)

    def text(self, deltas: Sequence[TextDelta]) -> bytes:
        text, tokens = joined(deltas)
        said = b"" if self._open else self._opened()
        self._texts.append(text)
        self._tokens += tokens
        self._number += 1
        likely = plain_json(_logprobs(tokens)) if tokens else "[]"
        rest = f',"logprobs":{likely},"sequence_number":{self._number},"delta":{quoted(text)}}}\n\n'
        return said + (self._delta + rest).encode()

    def end(self, end: CompletionEnd) -> bytes:
        text = "".join(self._texts)
        response = self._described.done(text, self._tokens, end)
        said = b""
        if not self._open and not end.tool_calls:
            said += self._opened()
        if self._open:
            likely = _logprobs(self._tokens)
            said += self._event("response.output_text.done", {**self._at, "text": text, "logprobs": likely})
            said += self._event("response.content_part.done", {**self._at, "part": part(text, self._tokens)})
            said += self._event("response.output_item.done", {"output_index": 0, "item": response["output"][0]})
        for index, call in enumerate(end.tool_calls):
            said += self._called(index, end, len(response["output"]) - len(end.tool_calls) + index, call.arguments)
        self._finished(response, text, end)
        kind = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
        return said + self._event(kind, {"response": response})

    def failed(self, error: SoloError, body: bytes) -> bytes:
        begun = b"" if self._number >= 0 else self.begin()
        message = error.message if not error.hint else f"{error.message.rstrip('.')}. {error.hint}"
        output = [self._described.said("incomplete", "".join(self._texts))] if self._open else []
        response = self._described.now("failed", output, error={"code": "server_error", "message": message})
        return begun + self._event("response.failed", {"response": response})

    def quiet(self) -> bytes:
        return STILL_HERE

    def _opened(self) -> bytes:
        self._open = True
        item = self._described.said("in_progress", None)
        return self._event("response.output_item.added", {"output_index": 0, "item": item}) + self._event(
            "response.content_part.added", {**self._at, "part": part("")}
        )

    def _called(self, index: int, end: CompletionEnd, place: int, arguments: str) -> bytes:
        item = self._described.call(index, end, whole=True)
        begun = self._described.call(index, end, whole=False)
        at = {"item_id": item["id"], "output_index": place}
        said = self._event("response.output_item.added", {"output_index": place, "item": begun})
        for piece in fragments(arguments):
            said += self._event("response.function_call_arguments.delta", {**at, "delta": piece})
        over = {**at, "name": item["name"], "arguments": arguments}
        said += self._event("response.function_call_arguments.done", over)
        return said + self._event("response.output_item.done", {"output_index": place, "item": item})

    def _event(self, kind: str, said: dict[str, Any]) -> bytes:
        self._number += 1
        return f"{_head(kind)}{plain_json({'sequence_number': self._number, **said})[1:]}\n\n".encode()


def part(text: str, tokens: Sequence[TokenLogprob] = ()) -> dict[str, Any]:
    """Text as a part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": _logprobs(tokens)}


def _logprobs(tokens: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = logprobs_of(tokens)["content"]
    return content


def _head(kind: str) -> str:
    return f'event: {kind}\ndata: {{"type":"{kind}",'
