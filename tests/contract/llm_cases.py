"""The language-model adapters under test, each loaded once, and questions to ask them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from services.llm.adapters.fake import FakeLLM
from services.llm.adapters.llama_cpp import LlamaCpp
from services.llm.engine import ChatMessage, Completed, LLMEngine
from solo.isolation.call import Call

SYSTEM: ChatMessage = {
    "role": "system",
    "content": "You are Solo, a helpful voice assistant. Answer in one short sentence.",
}
SMALL = 256
ADAPTERS: dict[str, Callable[..., LLMEngine]] = {"fake": FakeLLM, "llama_cpp": LlamaCpp}


def asked(question: str, *history: str) -> list[ChatMessage]:
    """The system prompt, a history of user and assistant in turn, and the question."""
    roles: list[Any] = ["user", "assistant"]
    before: list[ChatMessage] = [{"role": roles[i % 2], "content": text} for i, text in enumerate(history)]
    return [SYSTEM, *before, {"role": "user", "content": question}]


def run(
    engine: LLMEngine, messages: list[ChatMessage], call: Call | None = None, **options: Any
) -> tuple[list[str], Completed]:
    """All pieces and the completion."""
    pieces: list[str] = []
    for item in engine.complete(call or Call(), messages, **options):
        if not isinstance(item, str):
            return pieces, item
        assert item, "an empty piece"
        pieces.append(item)
    raise AssertionError("no completion came")


def answer(engine: LLMEngine, messages: list[ChatMessage], **options: Any) -> str:
    return "".join(run(engine, messages, **options)[0])


FRANCE = asked("What is the capital of France?")
SEA = asked("Tell me about the sea.")


@functools.cache
def load_once(adapter: str, **options: Any) -> Any:
    """A loaded engine, one of a kind for the whole run. One thread: two collapse beside any other busy process."""
    engine = ADAPTERS[adapter](threads=1, **options)
    engine.load()
    return engine
