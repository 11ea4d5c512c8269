"""The runners under test: what each can, and how a question is asked of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from services.llm.adapters.openai_server import OpenAIServerMaker
from services.llm.child_runner import ChildMaker
from services.llm.runner import Runner
from services.messages.language import ChatMessage, Complete, CompletionEnd, TextDelta
from solo.isolation.process import EngineSpec
from tests.peers import llama_cpp_python_server, packaged_model, xllamacpp_server

CONTEXT = 512
SYSTEM = ChatMessage(role="system", content="You are a helpful assistant. Answer in one short sentence.")
FRANCE = (SYSTEM, ChatMessage(role="user", content="What is the capital of France?"))
SEA = (SYSTEM, ChatMessage(role="user", content="Tell me about the sea."))


class Maker(Protocol):
    def running(self) -> AbstractAsyncContextManager[Runner]: ...


@dataclass(frozen=True)
class Case:
    """A runner that can be brought up, and what it need not be able to."""

    maker: Maker
    counts: bool = True
    """Its count of a prompt is what the prompt turns out to have."""
    totals: bool = True
    """It knows how many tokens a prompt had; else that is an estimate."""
    grammars: bool = True
    calls: bool = True
    """The model can be made to call a tool. llama.cpp's server hopes that the model does."""
    logprobs: bool = True


@contextmanager
def xllamacpp() -> Iterator[Case]:
    with xllamacpp_server(packaged_model(), slots=2, context=CONTEXT) as url:
        yield Case(_by_url(url), calls=False)


@contextmanager
def llama_cpp_python() -> Iterator[Case]:
    with llama_cpp_python_server(packaged_model(), context=CONTEXT, logits=True) as url:
        yield Case(_by_url(url), counts=False, totals=False)


@contextmanager
def fake_child() -> Iterator[Case]:
    spec = EngineSpec("services.llm.adapters.fake:FakeLLM", options={"context": CONTEXT})
    yield Case(ChildMaker(spec, "fake", 30.0))


CASES = {"xllamacpp": xllamacpp, "llama_cpp_python": llama_cpp_python, "fake_child": fake_child}


def _by_url(url: str) -> OpenAIServerMaker:
    return OpenAIServerMaker(url, "", connect_s=5.0, first_token_s=60.0, between_tokens_s=30.0)


async def ask(runner: Runner, messages: tuple[ChatMessage, ...], **question: Any) -> tuple[list[str], CompletionEnd]:
    """All pieces and the end, which is the last."""
    pieces: list[str] = []
    end: CompletionEnd | None = None
    question.setdefault("max_tokens", 24)
    async with runner.complete(Complete(messages=messages, **question)) as parts:
        async for part in parts:
            assert end is None, "something came behind the end"
            if isinstance(part, TextDelta):
                assert part.text, "an empty piece"
                pieces.append(part.text)
            else:
                end = part
    assert end is not None, "no end came"
    return pieces, end


def history(exchanges: int) -> tuple[ChatMessage, ...]:
    """So many questions and answers of about 15 tokens each."""
    said = "It is a long story that nobody has told yet."
    return tuple(
        message
        for number in range(exchanges)
        for message in (
            ChatMessage(role="user", content=f"What about number {number}?"),
            ChatMessage(role="assistant", content=said),
        )
    )
