"""What is asked of an engine, checked before native code sees it, which checks too little of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.llm.engine import ChatMessage, Form, Sampling, Tool
from solo.isolation.engine import BadEngineInput

ROLES = ("system", "user", "assistant", "tool")
LANES = ("voice", "chat", "batch")
MOST_STOPS = 16
MOST_STOP = 256
"""Characters of a stop string."""
MOST_TEXTS = 256
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 5),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "top_k": (0, 1_000_000),
    "repeat_penalty": (0, 10),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
"""Smallest and largest; zero itself is too small for top_p and repeat_penalty."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of `LLMEngine`'s `complete`."""

    messages: list[ChatMessage]
    prefix: str
    max_tokens: int
    sampling: Sampling
    stop: list[str]
    form: Form | None
    tools: list[Tool]
    tool_choice: str
    logprobs: int | None
    lane: str
    prompt: str | None
    """Bare text instead of messages."""

    @classmethod
    def check(cls, params: dict[str, Any]) -> Asked:
        """Raises `BadEngineInput`."""
        known = {
            "prefix": "",
            "max_tokens": 256,
            "sampling": {},
            "stop": [],
            "form": None,
            "tools": [],
            "tool_choice": "auto",
            "logprobs": None,
            "lane": "chat",
            "prompt": None,
        }
        if unknown := sorted(set(params) - set(known) - {"messages"}):
            raise BadEngineInput(f"The engine knows no {unknown[0]!r}", hint=f"It knows {', '.join(sorted(known))}.")
        asked = cls(messages=params.get("messages") or [], **{name: params.get(name, known[name]) for name in known})
        if asked.prompt is not None:
            asked._check_prompt()
        else:
            check_messages(asked.messages)
            if asked.messages[-1]["role"] not in {"user", "tool"}:
                raise BadEngineInput("The last message is not the user's", hint="End the messages with the question.")
        asked._check_numbers()
        _check_texts(asked.stop)
        if asked.lane not in LANES:
            raise BadEngineInput(f"There is no lane {asked.lane!r}", hint=f"Use one of {', '.join(LANES)}.")
        return asked

    def _check_prompt(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt:
            raise BadEngineInput("There is no text to go on with", hint="Send at least one character.")
        if self.messages or self.tools or self.prefix:
            raise BadEngineInput(
                "Bare text takes no messages, no tools and no beginning of an answer", hint="Send a conversation."
            )

    def _check_numbers(self) -> None:
        if not isinstance(self.max_tokens, int) or self.max_tokens < 1:
            raise BadEngineInput(f"max_tokens is {self.max_tokens}", hint="Ask for at least one token.")
        if self.logprobs is not None and not 0 <= self.logprobs <= 20:
            raise BadEngineInput(f"logprobs is {self.logprobs}", hint="Use 0 to 20.")
        for name, value in self.sampling.items():
            if name == "seed":
                if value is not None and not isinstance(value, int):
                    raise BadEngineInput(f"The seed is {value!r}", hint="Use a whole number, or leave it out.")
                continue
            if name not in RANGES:
                raise BadEngineInput(f"The engine knows no {name!r}", hint=f"It knows {', '.join(RANGES)} and seed.")
            least, most = RANGES[name]
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            zero = name in {"top_p", "repeat_penalty"} and value == 0
            if not number or not least <= value <= most or zero:  # type: ignore[operator]
                raise BadEngineInput(f"{name} is {value}", hint=f"Use a number from {least} to {most}.")


def check_messages(messages: Sequence[ChatMessage]) -> None:
    """Raise `BadEngineInput` unless `messages` is a list of role and content with known roles."""
    if not messages:
        raise BadEngineInput("There is no message to answer", hint="Send at least one message of the user.")
    for index, message in enumerate(messages):
        if message.get("role") not in ROLES:
            raise BadEngineInput(
                f"Message {index} has the role {message.get('role')!r}", hint=f"Use one of {', '.join(ROLES)}."
            )
        if not isinstance(message.get("content"), str):
            raise BadEngineInput(f"The content of message {index} is not text", hint="Send plain text.")


def check_embedding(texts: Sequence[str]) -> None:
    """Raise `BadEngineInput` unless there is something to embed, and not too much."""
    if not 1 <= len(texts) <= MOST_TEXTS or not all(isinstance(text, str) for text in texts):
        raise BadEngineInput(f"{len(texts)} texts to embed", hint=f"Send 1 to {MOST_TEXTS} texts.")


def _check_texts(stop: Sequence[str]) -> None:
    if len(stop) > MOST_STOPS:
        raise BadEngineInput(f"{len(stop)} stop strings", hint=f"Use at most {MOST_STOPS}.")
    if not all(isinstance(text, str) and 0 < len(text) <= MOST_STOP for text in stop):
        raise BadEngineInput(
            "A stop string is empty, too long or not text", hint=f"Use 1 to {MOST_STOP} characters, or leave it out."
        )
