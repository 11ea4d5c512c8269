"""Answers `Complete` and `Prefill` with an engine in a child process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from services.messages.language import ChatMessage, Complete, CompletionEnd, Prefill, Receipt, TextDelta
from solo.isolation.frames import pack
from solo.isolation.process import EngineProcess, EngineSpec
from solo.isolation.quarantine import key_of
from solo.supervision import Context

WITHIN_S = 30.0
_AHEAD = 4
"""Tokens the model may be ahead. Few: while a clause is being spoken the model rests and the voice has all cores;
two engines that compute at once on the same cores are both many times slower than one after the other."""


@dataclass(frozen=True, slots=True)
class LLMService:
    engine: EngineSpec
    name: str = "llm"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state
            shown = engine.state()

            async def complete(question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
                messages = _plain(question.messages)
                async with engine.stream(
                    "complete",
                    within=WITHIN_S,
                    # The prompt names the input: a continuation after a death is the same input again.
                    key=key_of(pack({"kind": "complete", "messages": messages})),
                    ahead=_AHEAD,
                    messages=messages,
                    prefix=question.prefix,
                    max_tokens=question.max_tokens,
                    temperature=question.sampling.temperature,
                    top_p=question.sampling.top_p,
                    seed=question.sampling.seed,
                    stop=list(question.stop),
                ) as pieces:
                    async for piece in pieces:
                        yield TextDelta(text=piece) if isinstance(piece, str) else _end(piece)

            def _end(raw: dict[str, object]) -> CompletionEnd:
                zones = raw.pop("zones")
                assert isinstance(zones, dict)
                receipt = Receipt(**zones, dropped_messages=raw.pop("dropped_messages"), cached=raw["cached_tokens"])
                return CompletionEnd.model_validate(
                    {**raw, "receipt": receipt, "engine": f"{shown.engine} {shown.model}"}
                )

            async def prefill(question: Prefill) -> int:
                tokens: int = await engine.call("prefill", within=WITHIN_S, messages=_plain(question.messages))
                return tokens

            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ctx.answer(Complete, complete))
                tasks.create_task(ctx.answer(Prefill, prefill))


def _plain(messages: tuple[ChatMessage, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
