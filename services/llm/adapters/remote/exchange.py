"""One question and its answer: opened, read token by token under its deadlines, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.llm.adapters.remote.answer import MOST_TEXT, Answer
from services.llm.adapters.remote.asking import body_of, path_of
from services.llm.adapters.remote.dialects import Dialect
from services.llm.adapters.remote.events import Events
from services.llm.adapters.remote.line import Line, Refused, aiter_raw, out_of_time
from services.llm.adapters.remote.receipt import estimate, receipt, shortened, weight_of
from services.llm.adapters.remote.refusals import Refusal
from services.llm.engine import PromptTooLong
from services.llm.remote import RemoteDied, RemoteFailed
from services.messages.language import ChatMessage, Complete, CompletionEnd, TextDelta
from solo.bus.context import deadline_after

if TYPE_CHECKING:
    import httpx

_TAIL_S = 1.0
"""Seconds that the usage may come after the answer's end; most servers send both at once."""
_SHORTENINGS = 4
"""Times that a history is shortened before the server's refusal is believed."""
_BYTES_A_TOKEN = 8192
"""No chunk of one token is longer, the logprobs of 20 others included."""


@dataclass(slots=True)
class Exchange:
    line: Line
    model: str
    dialect: Dialect
    context: int
    question: Complete
    first_token_s: float
    between_tokens_s: float
    whole_s: float
    messages: list[ChatMessage] = field(init=False)
    left_out: list[int] = field(default_factory=list)
    began: float = field(init=False)
    sent: float = 0.0
    first: float | None = None
    last: float = 0.0
    waiting_since: float = 0.0
    """For the next token: an asker who takes his time with the last one does not make the server late."""

    def __post_init__(self) -> None:
        bare = self.question.prompt
        # Bare text is accounted for like a single message, which nothing can be left out of.
        self.messages = list(self.question.messages) if bare is None else [ChatMessage(role="user", content=bare)]
        self.began = asyncio.get_running_loop().time()

    async def parts(self) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
        """Deltas, then one end."""
        deadline = deadline_after(self.whole_s)
        first_by = min(deadline, self.began + self.first_token_s)
        streamed = True
        for _ in range(_SHORTENINGS + 2):
            answer = Answer(self.question.prefix, may_repeat=self.dialect.continues == "no", key=self.line.key)
            body = body_of(self.question, self.messages, self.model, self.dialect)
            if not streamed:
                body["stream"] = False
                del body["stream_options"]
            try:
                async with aclosing(self._told(body, answer, first_by, deadline)) as pieces:
                    async for piece in pieces:
                        yield piece
            except Refused as refused:
                if not self._shorten(refused.refusal):
                    raise refused.refusal.error from refused
            except RemoteDied:
                # Some servers say why only to those who do not ask for a stream (llama-cpp-python's, for one).
                if answer.events or not streamed:
                    raise
                streamed = False
            else:
                yield self._end(answer)
                return
        raise PromptTooLong(
            "the server refuses the prompt, however short its history",
            hint="Shorten the question or the system prompt.",
        )

    async def _told(
        self, body: dict[str, Any], answer: Answer, first_by: float, deadline: float
    ) -> AsyncGenerator[TextDelta, None]:
        loop = asyncio.get_running_loop()
        self.sent = loop.time()
        async with self.line.open("POST", path_of(self.question), body, first_by) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                most = MOST_TEXT + self.question.max_tokens * _BYTES_A_TOKEN
                whole = await self.line.read(response, deadline, most)
                self.first = self.last = loop.time()
                if (piece := answer.take(whole)) is not None:
                    yield piece
            else:
                async with aclosing(self._streamed(response, answer, first_by, deadline)) as pieces:
                    async for piece in pieces:
                        yield piece
        if answer.refused is not None:
            raise Refused(answer.refused) if self.first is None else answer.refused.error
        if answer.finish is None:
            raise RemoteDied(f"{self.line.shown} ended its answer before it was finished", hint="Ask again.")

    async def _streamed(
        self, response: httpx.Response, answer: Answer, first_by: float, deadline: float
    ) -> AsyncGenerator[TextDelta, None]:
        loop = asyncio.get_running_loop()
        events = Events()
        room = MOST_TEXT + self.question.max_tokens * _BYTES_A_TOKEN
        async with aclosing(aiter_raw(response)) as chunks:
            while not answer.done:
                chunk = await self._next(chunks, answer, first_by, deadline)
                if chunk is None:
                    found = events.end()
                else:
                    room -= len(chunk)
                    if room < 0:
                        raise RemoteFailed(f"{self.line.shown} does not stop", hint="It sends far more than was asked.")
                    found = events.feed(chunk)
                for data in found:
                    before = answer.tokens
                    piece = answer.take(data)
                    if answer.tokens != before:
                        self.last = loop.time()
                        self.first = self.first or self.last
                    if piece is not None:
                        yield piece
                    if answer.tokens != before:
                        self.waiting_since = loop.time()
                    if answer.done:
                        break
                if chunk is None:
                    return
            if answer.refused is None:
                await self._rest(chunks)

    async def _next(self, chunks: Any, answer: Answer, first_by: float, deadline: float) -> bytes | None:
        """None: nothing more comes."""
        import httpx

        now = asyncio.get_running_loop().time()
        if answer.finish is not None:
            by = min(deadline, now + _TAIL_S)
        elif self.first is None:
            by = first_by
        else:
            by = min(deadline, self.waiting_since + self.between_tokens_s)
        try:
            async with asyncio.timeout_at(by):
                chunk: bytes | None = await anext(chunks, None)
                return chunk
        except TimeoutError as error:
            if answer.finish is not None:
                return None
            what = "did not begin to answer in time" if self.first is None else "stopped in the middle of its answer"
            raise out_of_time(by, deadline, self.line.shown, what) from error
        except httpx.HTTPError as error:
            if answer.finish is not None:
                return None
            raise RemoteDied(f"{self.line.shown} hung up in the middle of its answer", hint="Ask again.") from error

    async def _rest(self, chunks: Any) -> None:
        """The end of the body, which keeps the connection for the next question; a server may well not send it."""
        import httpx

        try:
            async with asyncio.timeout(0.05):
                async for _ in chunks:
                    break
        except (TimeoutError, httpx.HTTPError):
            pass

    def _shorten(self, refusal: Refusal) -> bool:
        """Leave out some of the oldest history; False: that is not why, or there is none."""
        if not isinstance(refusal.error, PromptTooLong) or self.first is not None:
            return False
        tokens = refusal.prompt_tokens or estimate(self.messages, self.question.tools)
        context = refusal.context or self.context or tokens
        # Room for the answer, but no more than half: whatever is asked for, the question comes first.
        room = max(context - self.question.max_tokens, context // 2)
        kept = shortened(self.messages, max(0.0, 1 - room / max(1, tokens)))
        if kept is None:
            return False
        present = {id(message) for message in kept}
        self.left_out += [weight_of(message) for message in self.messages if id(message) not in present]
        self.messages = kept
        return True

    def _end(self, answer: Answer) -> CompletionEnd:
        calls = answer.tool_calls()
        prompt = answer.prompt_tokens
        if prompt is None:
            prompt = estimate(self.messages, self.question.tools)
        first = self.first or self.last or asyncio.get_running_loop().time()
        until_first = max(0.0, first - self.sent)
        prefill = until_first if answer.prefill_s is None else min(answer.prefill_s, until_first)
        decode = max(0.0, self.last - first) if answer.decode_s is None else answer.decode_s
        cached = min(answer.cached_tokens, prompt)
        assert answer.finish is not None
        return CompletionEnd(
            finish="tool_calls" if calls else answer.finish,
            prompt_tokens=prompt,
            cached_tokens=cached,
            completion_tokens=answer.tokens if answer.completion_tokens is None else answer.completion_tokens,
            prefill_s=prefill,
            decode_s=decode,
            waited_s=max(0.0, first - self.began - prefill),
            tool_calls=calls,
            drafted_tokens=answer.drafted,
            accepted_tokens=min(answer.accepted, answer.drafted),
            receipt=receipt(self.messages, self.question.tools, prompt, cached, self.left_out),
            engine=f"{self.dialect.name} {self.model.rsplit('/', 1)[-1]}",
            model=self.model,
        )
