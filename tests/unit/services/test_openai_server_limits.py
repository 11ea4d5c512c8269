"""Deadlines of a model asked by URL, leaving it, and histories that it finds too long."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from services.llm.engine import PromptTooLong
from services.llm.remote import RemoteFailed, RemoteRefused, RemoteSlow, RemoteUnavailable
from services.messages.language import ChatMessage, Complete, CompletionEnd, CountTokens, EmbedTexts, Prefill, Tool
from solo.bus.context import until
from solo.bus.errors import DeadlineExceeded
from tests.stubs.hostile_server import DONE, END, GOOD, answer, event, said, silence, stream
from tests.unit.services.test_openai_server import QUESTION, ask, server

LONG = 60.0
SOON = 0.15
HISTORY = tuple(
    ChatMessage(role=role, content=f"{role} {number} " + "word " * 50)
    for number in range(10)
    for role in ("user", "assistant")
)
TOO_LONG = {"error": {"message": "request (900 tokens) exceeds the available context size (500 tokens)"}}


class TestDeadlines:
    async def test_no_first_token(self) -> None:
        async with server(silence, first_token_s=SOON) as (runner, hostile):
            with pytest.raises(RemoteSlow, match="begin"):
                await ask(runner)
            assert len(hostile.asked) == 1
            await hostile.gone.wait()

    async def test_signs_of_life_are_no_token(self) -> None:
        pings = [piece for _ in range(100) for piece in (b": wait\n\n", SOON / 4)]
        async with server(stream(*pings), first_token_s=SOON) as (runner, hostile):
            with pytest.raises(RemoteSlow, match="begin"):
                await ask(runner)
            await hostile.gone.wait()

    async def test_no_next_token(self) -> None:
        pings = [piece for _ in range(100) for piece in (b": wait\n\n", SOON / 4)]
        async with server(stream(said("Par"), *pings), between_tokens_s=SOON) as (runner, hostile):
            with pytest.raises(RemoteSlow, match="middle"):
                await ask(runner)
            await hostile.gone.wait()

    async def test_an_asker_who_takes_his_time_does_not_make_the_server_late(self) -> None:
        reply = stream(said("Par"), 1.2, said("is"), event(END), DONE)
        async with server(reply, between_tokens_s=0.5) as (runner, _):
            async with runner.complete(Complete(messages=QUESTION)) as parts:
                async for _part in parts:
                    await asyncio.sleep(1.0)

    async def test_nothing_behind_the_end(self) -> None:
        async with server(stream(said("Paris"), event(END), LONG)) as (runner, _):
            text, end = await ask(runner)
        assert (text, end.finish) == ("Paris", "stop")

    async def test_the_asker_has_less_time(self) -> None:
        async with server(stream(said("Par"), LONG), first_token_s=LONG, between_tokens_s=LONG) as (runner, _):
            with pytest.raises(DeadlineExceeded):
                async with until(asyncio.get_running_loop().time() + SOON, "an answer"):
                    await ask(runner)

    async def test_tries_end_with_the_first_tokens_deadline(self) -> None:
        async with server(answer(503, {}, "Retry-After: 1"), first_token_s=0.5) as (runner, hostile):
            with pytest.raises(RemoteUnavailable):
                await ask(runner)
            assert len(hostile.asked) == 1

    async def test_a_server_that_lists_nothing_in_time(self) -> None:
        async with server(GOOD) as (runner, hostile):
            hostile.replies[:] = [silence]
            with pytest.raises(RemoteSlow):
                async with asyncio.timeout(5):
                    await runner._line.ask("GET", "slow", None, asyncio.get_running_loop().time() + SOON, 100)


class TestLeaving:
    async def test_leaving_closes_the_connection_at_once(self) -> None:
        async with server(stream(said("Par"), LONG)) as (runner, hostile):
            async with runner.complete(Complete(messages=QUESTION)) as parts:
                await anext(aiter(parts))
                assert not hostile.gone.is_set()
            async with asyncio.timeout(1):
                await hostile.gone.wait()

    @pytest.mark.parametrize("reply", [silence, stream(LONG)], ids=["headers", "token"])
    async def test_cancelled_while_waiting(self, reply: Any) -> None:
        async with server(reply) as (runner, hostile):
            asking = asyncio.create_task(ask(runner))
            while not hostile.asked:
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            async with asyncio.timeout(1):
                await hostile.gone.wait()

    async def test_the_next_question_is_answered(self) -> None:
        async with server(stream(said("Par"), LONG), GOOD) as (runner, _):
            async with runner.complete(Complete(messages=QUESTION)) as parts:
                await anext(aiter(parts))
            assert (await ask(runner))[0] == "Paris"


class TestTooLong:
    async def test_the_oldest_exchanges_are_left_out_and_told(self) -> None:
        messages = (QUESTION[0], *HISTORY, QUESTION[1])
        async with server(answer(400, TOO_LONG), GOOD) as (runner, hostile):
            _, end = await ask(runner, messages=messages, max_tokens=100)
        sent = hostile.asked[1].body["messages"]
        assert sent[0]["role"] == "system" and sent[1]["role"] == "user" and sent[-1]["content"] == QUESTION[1].content
        assert end.receipt.dropped_messages == len(messages) - len(sent) >= 10
        assert end.receipt.dropped_tokens > 10 * 50
        assert sent[1:-1] == [{"role": kept.role, "content": kept.content} for kept in HISTORY[-len(sent) + 2 :]]

    async def test_nothing_left_to_leave_out(self) -> None:
        async with server(answer(400, TOO_LONG)) as (runner, hostile):
            with pytest.raises(PromptTooLong):
                await ask(runner, messages=(*HISTORY[:2], QUESTION[1]))
            assert len(hostile.asked) == 2

    async def test_not_for_ever(self) -> None:
        refused = {"error": {"message": "maximum context length is 100 tokens", "code": "context_length_exceeded"}}
        async with server(answer(400, refused)) as (runner, hostile):
            with pytest.raises(PromptTooLong):
                await ask(runner, messages=(*HISTORY, QUESTION[1]))
            assert len(hostile.asked) <= 6


class TestOtherQuestions:
    async def test_nothing_is_evaluated_ahead(self) -> None:
        async with server(GOOD) as (runner, hostile):
            assert await runner.prefill(Prefill(messages=QUESTION)) == 0
            assert not hostile.asked

    async def test_an_estimate_where_nobody_counts(self) -> None:
        async with server(GOOD) as (runner, hostile):
            few = await runner.count(CountTokens(messages=QUESTION))
            more = await runner.count(CountTokens(messages=QUESTION, tools=(Tool(name="x", description="y" * 400),)))
            assert not hostile.asked
            assert runner.state().info["counting"] == "estimate"
        assert 10 < few.tokens < 30 < more.tokens
        assert few.context == 0

    async def test_an_estimate_where_the_server_cannot(self) -> None:
        models = {"data": [{"id": "tiny", "owned_by": "llamacpp", "meta": {"n_ctx": 1024}}]}
        async with server(answer(404, {}), models=models) as (runner, hostile):
            counted = await runner.count(CountTokens(messages=QUESTION))
            assert [asked.path for asked in hostile.asked] == ["/apply-template"]
        assert 10 < counted.tokens < 30 and counted.context == 1024

    async def test_vectors_have_length_one_and_their_order(self) -> None:
        data = [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]
        async with server(answer(200, {"data": data, "usage": {"prompt_tokens": 5}})) as (runner, hostile):
            made = await runner.embed(EmbedTexts(texts=("a", "b")))
        assert made.vectors == ((0.6, 0.8), (0.0, 1.0))
        assert made.tokens == 5
        assert hostile.asked[0].body["input"] == ["a", "b"]

    @pytest.mark.parametrize(
        "data",
        [
            *([], None, "x", [{"index": 0}]),
            *([{"index": 0, "embedding": numbers}] for numbers in ([], [0, 0], ["a"], [1e999], 7)),
            [{"index": 0, "embedding": [1]}] * 2,
        ],
    )
    async def test_vectors_that_are_none(self, data: Any) -> None:
        async with server(answer(200, {"data": data})) as (runner, _):
            with pytest.raises(RemoteFailed):
                await runner.embed(EmbedTexts(texts=("a",)))

    async def test_a_server_without_embeddings(self) -> None:
        async with server(answer(501, {"error": {"message": "start it with --embeddings"}})) as (runner, _):
            with pytest.raises(RemoteRefused, match="--embeddings"):
                await runner.embed(EmbedTexts(texts=("a",)))

    async def test_an_iterator_left_open_is_closed_with_its_block(self) -> None:
        async with server(GOOD) as (runner, _):
            async with runner.complete(Complete(messages=QUESTION)) as parts, aclosing(parts):
                found = [part async for part in parts]
        assert isinstance(found[-1], CompletionEnd)
