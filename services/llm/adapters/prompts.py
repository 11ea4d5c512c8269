"""Conversations as tokens: fitted into the context, with an account of what they are spent on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.formats.chat_template import ChatTemplate
from services.formats.marking import Part, Slot
from services.llm.adapters.fitting import USUAL_ANSWER, Fitted, fit
from services.llm.adapters.requests import Asked
from services.llm.adapters.vocabulary import Vocabulary
from services.llm.engine import ChatMessage, PromptTooLong, Tool
from services.llm.zones import zone_of

LONGEST_TOKEN = 32
"""Bytes. Usual text has 3 to 5 for each token; one of more than this many for each token of the context is not even
tokenised, since that alone would keep everybody waiting."""


class Prompt(NamedTuple):
    tokens: list[int]
    said: list[int]
    """The beginning of the answer."""
    skip: str
    """What the answer's text may begin with although it was said already."""
    zones: dict[str, int]
    dropped_messages: int
    dropped_tokens: int


class Prompts:
    def __init__(self, template: ChatTemplate, vocabulary: Vocabulary, context: int) -> None:
        self._template = template
        self._vocabulary = vocabulary
        self._context = context
        self._last: tuple[tuple[list[ChatMessage], list[Tool]], list[Part], list[int]] | None = None

    def complete(self, asked: Asked) -> Prompt:
        """The prompt, and what is said of the answer already. Raises `PromptTooLong`."""
        # A blank at the prefix's end belongs to the next word's token: left in, it would be a token of its own that
        # the model never puts there. It is taken off, and off the answer's beginning again.
        said = asked.prefix.rstrip(" ")
        ahead = self._vocabulary.tokenise(said) if said else []
        tools = asked.tools if asked.tool_choice != "none" else []
        fitted = self._fit(asked.messages, tools, asked.max_tokens + len(ahead))
        parts, tokens = self._encoded(fitted.messages, tools)
        left_out = [message for message in asked.messages if not any(message is kept for kept in fitted.messages)]
        return Prompt(
            tokens,
            ahead,
            asked.prefix[len(said) :],
            self._zones(fitted.messages, parts, len(tokens) + len(ahead)),
            fitted.dropped,
            sum(self._vocabulary.length(message["content"]) for message in left_out),
        )

    def bare(self, text: str, max_tokens: int) -> Prompt:
        """Text to go on with, without a template: control tokens in it stay text. Raises `PromptTooLong`."""
        length = len(text.encode(errors="replace"))
        if length > self._context * LONGEST_TOKEN:
            tokens: list[int] = []
            count = length // LONGEST_TOKEN  # at least
        else:
            tokens = self._vocabulary.encode([Slot(0, text, "volatile")])
            count = len(tokens)
        if count + max_tokens > self._context:
            raise PromptTooLong(
                f"The prompt takes {count} tokens and {max_tokens} are asked for the answer, the model has "
                f"{self._context}",
                hint="Shorten the prompt, ask for a shorter answer, or raise the model's context.",
            )
        zones = {"system": 0, "history": 0, "memory": 0, "question": count, "tools": 0, "template": 0}
        return Prompt(tokens, [], "", zones, 0, 0)

    def beginning(self, messages: list[ChatMessage]) -> list[int]:
        """A prompt up to its next question, or up to the last word of a question still being asked."""
        question: ChatMessage = {"role": "user", "content": ""}
        asked = messages if messages[-1]["role"] == "user" else [*messages, question]
        kept = self._fit(asked, [], min(USUAL_ANSWER, self._context // 2)).messages
        parts, _ = self._encoded(kept, [])
        last = max(index for index, part in enumerate(parts) if isinstance(part, Slot))
        return self._vocabulary.encode(parts[: last + 1])

    def count(self, messages: list[ChatMessage], tools: list[Tool]) -> dict[str, int]:
        return {"tokens": len(self._encoded(messages, tools)[1]), "context": self._context}

    def _encoded(self, messages: list[ChatMessage], tools: list[Tool]) -> tuple[list[Part], list[int]]:
        """The rendered prompt and its tokens; the last one asked is remembered, since it is the one that fitted."""
        if self._last is None or self._last[0] != (messages, tools):
            parts = self._template.render(messages, tools)
            self._last = (([*messages], [*tools]), parts, self._vocabulary.encode(parts))
        return self._last[1], self._last[2]

    def _fit(self, messages: list[ChatMessage], tools: list[Tool], max_tokens: int) -> Fitted:
        def tokens_of(candidate: list[ChatMessage]) -> int:
            length = sum(len(message["content"].encode(errors="replace")) for message in candidate)
            if length > self._context * LONGEST_TOKEN:
                return length // LONGEST_TOKEN  # about; too many in any case
            return len(self._encoded(candidate, tools)[1])

        return fit(messages, tokens_of, self._context, max_tokens)

    def _zones(self, messages: Sequence[ChatMessage], parts: Sequence[Part], total: int) -> dict[str, int]:
        zones = {"system": 0, "history": 0, "memory": 0, "question": 0, "tools": 0, "template": 0}
        for part in parts:
            if isinstance(part, Slot):
                zone = "tools" if part.message < 0 else zone_of([message["role"] for message in messages], part.message)
                zones[zone] += self._vocabulary.length(part.text)
        # A token may straddle the border between template and content: never let the rest go below nothing.
        zones["template"] = max(0, total - sum(zones.values()))
        return zones
