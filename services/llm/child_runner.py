"""A language model in a child process: questions become the engine's plain data, and what it says becomes answers."""

from __future__ import annotations

import array
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.llm.failures import NoVision
from services.messages.language import (
    ChatMessage,
    Complete,
    CompletionEnd,
    Counted,
    CountTokens,
    Embedded,
    EmbedTexts,
    Prefill,
    Receipt,
    TextDelta,
    Tool,
)
from solo.isolation.engine import BadEngineInput
from solo.isolation.frames import BadFrame, pack
from solo.isolation.process import EngineProcess, EngineSpec
from solo.isolation.quarantine import key_of
from solo.supervision import EngineState

CALL_S = 60.0
"""Seconds for a prefill, a count or an embedding."""
_AHEAD = 32
"""Tokens the model may be ahead of a reader."""
_AHEAD_SPOKEN = 4
"""Tokens the model may be ahead of a voice. Few: while a clause is being spoken the model rests and the voice has all
cores; two engines that compute at once on the same cores are both many times slower than one after the other."""
_SEEDS = 2**32 - 1
"""llama.cpp's seeds are 32 bits long, and the last one means `any`."""


@dataclass(slots=True)
class ChildMaker:
    """A `RunnerMaker`: a process for each start."""

    spec: EngineSpec
    name: str
    token_s: float
    """Longest wait for the next piece of an answer, the first one included, in seconds."""

    size: int = 0
    """Bytes of the model's file; 0: unknown."""
    _starting: EngineProcess | None = None

    def progress(self) -> float | None:
        """How much of the file the child has in memory, 0 to 1; None: unknown."""
        resident = None if self._starting is None else self._starting.rss_bytes
        return None if resident is None or not self.size else min(0.99, resident / self.size)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ChildRunner]:
        self._starting = EngineProcess(self.spec)
        async with self._starting.running() as engine:
            yield ChildRunner(engine, self.name, self.token_s)


class ChildRunner:
    """A `Runner` over an engine's process."""

    def __init__(self, engine: EngineProcess, name: str, token_s: float) -> None:
        self.name = name
        self._engine = engine
        self._token_s = token_s
        shown = engine.state()
        self._shown = f"{shown.engine} {shown.model}"

    def state(self) -> EngineState:
        return self._engine.state()

    @asynccontextmanager
    async def complete(self, question: Complete) -> AsyncIterator[AsyncIterator[TextDelta | CompletionEnd]]:
        params = _completion(question)
        async with self._engine.stream(
            "complete",
            within=self._token_s,
            key=_key(params),
            ahead=_AHEAD_SPOKEN if question.lane == "voice" else _AHEAD,
            **params,
        ) as items:
            async with aclosing(self._answers(items)) as answers:
                yield answers

    async def prefill(self, question: Prefill) -> int:
        tokens: int = await self._call("prefill", messages=_messages(question.messages))
        return tokens

    async def count(self, question: CountTokens) -> Counted:
        found = await self._call("count", messages=_messages(question.messages), tools=_tools(question.tools))
        return Counted(tokens=found["tokens"], context=found["context"])

    async def embed(self, question: EmbedTexts) -> Embedded:
        found = await self._call("embed", texts=list(question.texts))
        vectors = tuple(tuple(array.array("f", vector)) for vector in found["vectors"])
        return Embedded(vectors=vectors, tokens=found["tokens"], model=self.name)

    async def _call(self, method: str, **params: Any) -> Any:
        return await self._engine.call(method, within=CALL_S, key=_key({"method": method} | params), **params)

    async def _answers(self, items: AsyncIterator[Any]) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        async for item in items:
            if isinstance(item, str):
                yield TextDelta(text=item)
            elif "finish" in item:
                yield self._end(item)
            else:
                yield TextDelta.model_validate(item)

    def _end(self, said: dict[str, Any]) -> CompletionEnd:
        rest = dict(said)
        receipt = Receipt(
            **rest.pop("zones"),
            dropped_messages=rest.pop("dropped_messages"),
            dropped_tokens=rest.pop("dropped_tokens", 0),
            cached=rest["cached_tokens"],
        )
        return CompletionEnd.model_validate(rest | {"receipt": receipt, "engine": self._shown})


def _completion(question: Complete) -> dict[str, Any]:
    """What does not differ from the port's default is left out, as most of it is in most questions."""
    sampling = question.sampling.model_dump(exclude_defaults=True)
    if "seed" in sampling:
        sampling["seed"] %= _SEEDS
    params: dict[str, Any] = {
        "messages": _messages(question.messages),
        "prefix": question.prefix,
        "max_tokens": question.max_tokens,
        "sampling": sampling,
        "stop": list(question.stop),
        "lane": question.lane,
    }
    if question.prompt is not None:
        params["prompt"] = question.prompt
    if question.form is not None:
        params["form"] = question.form.model_dump(exclude_none=True)
    if question.tools:
        params |= {"tools": _tools(question.tools), "tool_choice": question.tool_choice}
    if question.logprobs is not None:
        params["logprobs"] = question.logprobs
    return params


def _messages(messages: tuple[ChatMessage, ...]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = []
    for message in messages:
        if message.images:
            raise NoVision("this model does not take pictures", hint="Bind the role vision to a model that does.")
        one: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            one["tool_calls"] = [call.model_dump() for call in message.tool_calls]
        if message.tool_call_id:
            one["tool_call_id"] = message.tool_call_id
        plain.append(one)
    return plain


def _tools(tools: tuple[Tool, ...]) -> list[dict[str, Any]]:
    return [tool.model_dump() for tool in tools]


def _key(params: dict[str, Any]) -> str:
    """Names the input for the quarantine. The prompt does: a continuation after a death is the same input again.

    Raises `BadEngineInput` for what does not cross the pipe, such as a number of more than 64 bits in a schema.
    """
    names = ("method", "messages", "prompt", "texts", "form", "tools")
    try:
        return key_of(pack({"kind": "input"} | {name: params[name] for name in names if name in params}))
    except (ValueError, OverflowError, TypeError, RecursionError, BadFrame) as error:
        raise BadEngineInput(
            f"the question cannot be passed on: {error}", hint="Make it smaller or simpler."
        ) from error
