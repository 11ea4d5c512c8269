"""A model that says words, and what is asked of it through the cache of answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from services.llm.responses import Responses
from services.messages.language import ChatMessage, Complete, CompletionEnd, Receipt, TextDelta
from solo.bus.context import current_deadline
from solo.storage import Database

TOKEN_S = 0.1
RECEIPT = Receipt(system=2, history=0, question=3, template=4, dropped_messages=0, cached=2)


def end(**fields: Any) -> CompletionEnd:
    known: dict[str, Any] = {
        "finish": "stop", "prompt_tokens": 9, "cached_tokens": 2, "completion_tokens": 4, "prefill_s": 0.1,
        "decode_s": 0.2, "waited_s": 0.3, "receipt": RECEIPT, "engine": "fake", "model": "tiny",
    }  # fmt: skip
    return CompletionEnd(**{**known, **fields})


def asked(text: str = "Why?", **fields: Any) -> Complete:
    return Complete(messages=(ChatMessage(role="user", content=text),), **fields)


@dataclass
class Model:
    """Says words, one each `token_s`."""

    words: tuple[str, ...] = ("Because", " it", " is", " so.")
    end: CompletionEnd = field(default_factory=end)
    token_s: float = TOKEN_S
    fails: Callable[[int, int], None] = lambda attempt, word: None
    asked: int = 0
    finished: int = 0
    left: int = 0
    deadlines: list[float | None] = field(default_factory=list)

    async def answer(self) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        self.asked += 1
        attempt = self.asked
        self.deadlines.append(current_deadline.get())
        try:
            for number, word in enumerate(self.words):
                self.fails(attempt, number)
                await asyncio.sleep(self.token_s)
                yield TextDelta(text=word)
            yield self.end
            self.finished += 1
        except (asyncio.CancelledError, GeneratorExit):
            self.left += 1
            raise


def responses(**options: Any) -> Responses:
    known: dict[str, Any] = {"enabled": True, "ttl_s": 60.0, "memory_bytes": 100_000, "stored_bytes": 0}
    return Responses(Database(), **{**known, **options})


async def ask(cache: Responses, model: Model, question: Complete | None = None) -> tuple[str, CompletionEnd]:
    parts = [part async for part in cache.through(question or asked(), "tiny 1 2", model.answer)]
    assert isinstance(parts[-1], CompletionEnd)
    return "".join(part.text for part in parts[:-1] if isinstance(part, TextDelta)), parts[-1]


SAID = "Because it is so."
