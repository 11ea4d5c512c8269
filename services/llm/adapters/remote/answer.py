"""A server's chunks put together: pieces of text as they come, and what is known at the end."""

from __future__ import annotations

import json
from typing import Any, Literal

from services.llm.adapters.remote.beginning import Beginning
from services.llm.adapters.remote.refusals import Refusal, in_band
from services.llm.remote import RemoteFailed
from services.messages.language import TextDelta, TokenLogprob, ToolCall

Finish = Literal["stop", "length", "tool_calls"]
_FINISH: dict[str, Finish] = {"length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}
MOST_TEXT = 16 * 1024 * 1024
"""Characters of one answer, its tools' arguments included."""
_MOST_CALLS = 128
_LEAST_LOGPROB = -9999.0
"""What OpenAI's API says of tokens that are as good as impossible; some servers say minus infinity, or nothing."""
_MOST_COUNT = 2**40


class Answer:
    """Takes the data of one event after the other."""

    def __init__(self, prefix: str, *, may_repeat: bool, key: str | None) -> None:
        self.events = 0
        """Chunks so far."""
        self.tokens = 0
        """Chunks with something of the answer: about its tokens, where the server does not say how many."""
        self.finish: Finish | None = None
        self.done = False
        """Nothing more comes."""
        self.refused: Refusal | None = None
        """The error that came instead of the next chunk."""
        self.prompt_tokens: int | None = None
        self.cached_tokens = 0
        self.completion_tokens: int | None = None
        self.prefill_s: float | None = None
        self.decode_s: float | None = None
        self.drafted = 0
        self.accepted = 0
        self._beginning = Beginning(prefix, may_repeat=may_repeat)
        self._key = key
        self._size = 0
        self._calls: dict[int, list[Any]] = {}
        """By index: id, name, and the pieces of the arguments."""

    def take(self, data: bytes) -> TextDelta | None:
        """The next piece of text, if there is one in it. Raises RemoteFailed for what is not a chunk, or too much."""
        if data.strip() == b"[DONE]":
            self.done = True
            return None
        self.events += 1
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _unreadable("broken JSON") from error
        if not isinstance(chunk, dict):
            raise _unreadable("something that is no object")
        if chunk.get("error"):
            self.refused = in_band(chunk["error"], self._key)
            self.done = True
            return None
        self._count(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return None
        choice = choices[0]
        piece = self._piece(choice)
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            self.finish = _FINISH.get(finish, "stop")
        return piece

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Whole, in order."""
        return tuple(
            ToolCall(id=call[0] or f"call_{index}", name=call[1], arguments="".join(call[2]) or "{}")
            for index, call in sorted(self._calls.items())
            if call[1]
        )

    def _piece(self, choice: dict[str, Any]) -> TextDelta | None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice.get("message")  # the whole answer at once, of a server that does not stream
        if not isinstance(delta, dict) and isinstance(choice.get("text"), str):
            delta = {"content": choice["text"]}  # of bare text
        if not isinstance(delta, dict):
            return None
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            self.tokens += 1
            for call in calls:
                self._call(call)
        text = _text(delta.get("content"))
        if not text:
            return None
        self.tokens += 1
        self._grow(len(text))
        new = self._beginning.next(text)
        return TextDelta(text=new, logprobs=_logprobs(choice.get("logprobs"))) if new else None

    def _call(self, part: object) -> None:
        if not isinstance(part, dict):
            return
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        index = part.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < _MOST_CALLS:
            # No number: an id or a name begins the next call, anything else belongs to the last one.
            new = not self._calls or part.get("id") or function.get("name")
            index = len(self._calls) if new else max(self._calls)
        call = self._calls.setdefault(index, ["", "", []])
        if len(self._calls) > _MOST_CALLS:
            raise _unreadable(f"more than {_MOST_CALLS} calls of tools")
        # Some servers say id and name with every piece.
        call[0] = call[0] or _text(part.get("id"))
        call[1] = call[1] or _text(function.get("name"))
        arguments = function.get("arguments")
        said = json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments)
        self._grow(len(said))
        call[2].append(said)

    def _grow(self, length: int) -> None:
        self._size += length
        if self._size > MOST_TEXT:
            raise _unreadable(f"more than {MOST_TEXT // 1024**2} MiB of text")

    def _count(self, chunk: dict[str, Any]) -> None:
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.prompt_tokens = _number(usage.get("prompt_tokens"), self.prompt_tokens)
            self.completion_tokens = _number(usage.get("completion_tokens"), self.completion_tokens)
            details = usage.get("prompt_tokens_details")
            if isinstance(details, dict):
                self.cached_tokens = _number(details.get("cached_tokens"), 0) or 0
        timings = chunk.get("timings")  # llama.cpp's server
        if isinstance(timings, dict):
            self.prefill_s = _seconds(timings.get("prompt_ms"))
            self.decode_s = _seconds(timings.get("predicted_ms"))
            self.drafted = _number(timings.get("draft_n"), 0) or 0
            self.accepted = _number(timings.get("draft_n_accepted"), 0) or 0
            if self.prompt_tokens is None and "prompt_n" in timings:
                self.cached_tokens = _number(timings.get("cache_n"), 0) or 0
                self.prompt_tokens = self.cached_tokens + (_number(timings["prompt_n"], 0) or 0)
                self.completion_tokens = _number(timings.get("predicted_n"), None)


def _unreadable(what: str) -> RemoteFailed:
    return RemoteFailed(f"the server sent {what}", hint="Look at what the server answers, and at its version.")


def _text(value: object) -> str:
    """Text that can be written anywhere: JSON may hold halves of characters, which cannot."""
    if isinstance(value, list):  # parts, as some servers answer
        value = "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: object, otherwise: int | None) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_COUNT
    return value if good else otherwise  # type: ignore[return-value]  # just looked at


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 <= milliseconds < _MOST_COUNT else None


def _logprob(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _LEAST_LOGPROB
    return float(min(0.0, max(_LEAST_LOGPROB, value)))  # in this order NaN is the least, too


def _logprobs(said: object) -> tuple[TokenLogprob, ...]:
    tokens = said.get("content") if isinstance(said, dict) else None
    return tuple(
        TokenLogprob(
            token=_text(token.get("token")),
            logprob=_logprob(token.get("logprob")),
            top=tuple(
                (_text(other.get("token")), _logprob(other.get("logprob")))
                for other in _objects(token.get("top_logprobs"))
            ),
        )
        for token in _objects(tokens)
    )


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
