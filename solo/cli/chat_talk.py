"""A talk with a language model over `/v1/chat/completions`: its parameters, its history, its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from solo.cli.client import Client
from solo.errors import SoloError

DEFAULT_ROLE = "dialog"


@dataclass(slots=True)
class Parameters:
    """None, or nothing: the usual, as `/v1` decides."""

    model: str = ""
    role: str = ""
    system: str = ""
    temperature: float | None = 0.0
    """0 is what Solo itself talks at; OpenAI's API, asked without it, takes 1, which is much for a small model."""
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    """JSON schema that answers fit."""
    schema_file: str = ""
    cached: bool | None = None
    """Whether an earlier answer will do."""

    def body(self) -> dict[str, Any]:
        """Of the request, without the messages."""
        body: dict[str, Any] = {"model": self.model or self.role or DEFAULT_ROLE}
        for name in ("temperature", "top_p", "max_tokens", "seed"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        if self.stop:
            body["stop"] = list(self.stop)
        if self.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": self.schema, "strict": True},
            }
        own: dict[str, Any] = {"lane": "chat"}
        if self.role:
            own["role"] = self.role
        if self.cached is not None:
            own["cached"] = self.cached
        return {**body, "solo": own}


@dataclass(slots=True)
class Answered:
    """One question and what came of it."""

    question: str
    text: str = ""
    stopped: bool = False
    """By the person who asked."""
    error: SoloError | None = None
    first_ms: float | None = None
    """Milliseconds from asking to the first text, as this program saw it."""
    took_s: float = 0.0
    end: dict[str, Any] = field(default_factory=dict)
    """The daemon's `CompletionEnd`; empty when the answer did not come to its end."""
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens_per_s(self) -> float | None:
        decode_s = self.end.get("decode_s") or 0.0
        return self.end["completion_tokens"] / decode_s if decode_s > 0 else None

    def for_programs(self) -> dict[str, Any]:
        end = self.end
        return {
            "question": self.question,
            "answer": self.text,
            "finish": end.get("finish"),
            "error": self.error.to_wire() if self.error is not None else None,
            "model": end.get("model"),
            "role": end.get("role"),
            "fallback": end.get("fallback") or None,
            "from_cache": end.get("from_cache", False),
            "tokens": {name: end.get(f"{name}_tokens") for name in ("prompt", "cached", "completion")},
            "first_token_ms": None if self.first_ms is None else round(self.first_ms, 1),
            "tokens_per_s": None if self.tokens_per_s is None else round(self.tokens_per_s, 1),
            "receipt": end.get("receipt"),
        }


class Talk:
    """Questions and answers so far; what was said before a stop or a failure stays, as the model said it."""

    def __init__(self, client: Client, parameters: Parameters) -> None:
        self.parameters = parameters
        self.exchanges: list[tuple[str, str]] = []
        self._client = client
        self._contexts: dict[str, int | None] = {}

    def again(self, show: Callable[[str], None]) -> Answered:
        """The last question once more, asked afresh; its answer stays where none comes in its place."""
        last = self.exchanges.pop()
        before = len(self.exchanges)
        answered = self.ask(last[0], show, afresh=True)
        if len(self.exchanges) == before:
            self.exchanges.append(last)
        return answered

    def ask(self, question: str, show: Callable[[str], None], *, afresh: bool = False) -> Answered:
        """`show` is called with each piece of text. Ctrl+C stops the answer. `afresh`: no earlier answer will do."""
        answered = Answered(question)
        began = time.monotonic()
        try:
            with closing(self._client.completion(self._body(question, afresh))) as chunks:
                for chunk in chunks:
                    self._take(chunk, answered, began, show)
        except KeyboardInterrupt:
            answered.stopped = True
        except SoloError as error:
            answered.error = error
        answered.took_s = time.monotonic() - began
        if answered.text or (answered.error is None and not answered.stopped):
            self.exchanges.append((question, answered.text))
        return answered

    def context_of(self, model: str) -> int | None:
        """Tokens that the model takes; None when the daemon does not say."""
        if model not in self._contexts:
            try:
                known = self._client.get("/api/llm/health")["models"]
            except (SoloError, KeyError):
                known = []
            self._contexts[model] = next((each["context"] for each in known if each["name"] == model), None)
        return self._contexts[model]

    def messages(self) -> list[dict[str, str]]:
        system = [{"role": "system", "content": self.parameters.system}] if self.parameters.system else []
        said = [
            {"role": role, "content": text}
            for exchange in self.exchanges
            for role, text in zip(("user", "assistant"), exchange, strict=True)
        ]
        return [*system, *said]

    def _body(self, question: str, afresh: bool) -> dict[str, Any]:
        body = self.parameters.body()
        if afresh:
            body["solo"] = {**body["solo"], "cached": False}
        messages = [*self.messages(), {"role": "user", "content": question}]
        return {**body, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}

    def _take(self, chunk: dict[str, Any], answered: Answered, began: float, show: Callable[[str], None]) -> None:
        for choice in chunk.get("choices", ()):
            if text := choice.get("delta", {}).get("content"):
                if answered.first_ms is None:
                    answered.first_ms = (time.monotonic() - began) * 1000
                answered.text += text
                show(text)
        answered.usage = chunk.get("usage") or answered.usage
        answered.end = chunk.get("solo") or answered.end
