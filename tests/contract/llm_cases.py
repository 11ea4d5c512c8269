"""The language-model adapters under test, each loaded once, and questions to ask them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.llm.adapters.fake import FakeLLM
from services.llm.adapters.llama_cpp import LlamaCpp
from services.llm.engine import ChatMessage, Completed, LLMEngine
from solo.errors import SoloError
from solo.isolation.driving import Work

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


SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty", "seed")


@dataclass
class Asking:
    """One call to an engine and what came of it."""

    work: Work
    said: list[dict[str, Any]]

    @property
    def pieces(self) -> list[Any]:
        return [frame["value"] for frame in self.said if frame["kind"] == "item" and "finish" not in frame["value"]]

    @property
    def text(self) -> str:
        return "".join(piece if isinstance(piece, str) else piece["text"] for piece in self.pieces)

    @property
    def done(self) -> Completed:
        """Raises the engine's error."""
        if self.said[-1]["kind"] == "error":
            raise SoloError.from_wire(self.said[-1])
        done: Completed = self.said[-2]["value"]
        return done

    @property
    def value(self) -> Any:
        if self.said[-1]["kind"] == "error":
            raise SoloError.from_wire(self.said[-1])
        return self.said[-1]["value"]


def begin(engine: LLMEngine, method: str, work: Work | None = None, **params: Any) -> Asking:
    """A call that somebody else drives. A refusal is kept as its answer, as the child's loop does."""
    said: list[dict[str, Any]] = []
    work = work or Work(room=1_000_000)
    work._out = said.append
    sampling = {name: params.pop(name) for name in SAMPLING if name in params}
    if sampling:
        params["sampling"] = sampling
    try:
        engine.begin(work, method, params)
    except SoloError as error:
        work.fail(error)
    return Asking(work, said)


def finish(engine: LLMEngine, *askings: Asking, most: int = 100_000) -> None:
    """Steps until all of them have ended."""
    for _ in range(most):
        going_on = engine.step()
        if all(asking.work.ended for asking in askings):
            return
        assert going_on, "the engine has stopped although somebody waits"
    raise AssertionError(f"not finished after {most} steps")


def ask(engine: LLMEngine, messages: list[ChatMessage], work: Work | None = None, **options: Any) -> Asking:
    asking = begin(engine, "complete", work, messages=messages, **options)
    finish(engine, asking)
    return asking


def run(
    engine: LLMEngine, messages: list[ChatMessage], work: Work | None = None, **options: Any
) -> tuple[list[str], Completed]:
    """All pieces and the completion."""
    asking = ask(engine, messages, work, **options)
    done = asking.done
    assert all(asking.pieces), "an empty piece"
    return asking.pieces, done


def prefill(engine: LLMEngine, messages: list[ChatMessage], work: Work | None = None) -> int:
    asking = begin(engine, "prefill", work, messages=messages)
    finish(engine, asking)
    tokens: int = asking.value
    return tokens


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
