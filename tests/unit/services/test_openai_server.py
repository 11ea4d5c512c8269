"""A model asked by URL, over servers that do everything wrong."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.llm.adapters.openai_server import OpenAIServer, OpenAIServerMaker
from services.llm.engine import PromptTooLong
from services.llm.remote import (
    RemoteDied,
    RemoteFailed,
    RemoteForbidden,
    RemoteRefused,
    RemoteUnavailable,
)
from services.messages.language import (
    ChatMessage,
    Complete,
    CompletionEnd,
    TextDelta,
    Tool,
)
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput
from tests.stubs.hostile_server import (
    DONE,
    END,
    GOOD,
    USAGE,
    Hostile,
    Reply,
    answer,
    event,
    hang_up,
    said,
    stream,
)

QUESTION = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Capital of France?"))
KEY = "sk-very-secret"


@asynccontextmanager
async def server(*replies: Reply, **more: Any) -> AsyncIterator[tuple[OpenAIServer, Hostile]]:
    models = more.pop("models", None)
    options = {"model": "", "key": KEY, "connect_s": 2.0, "first_token_s": 5.0, "between_tokens_s": 5.0, **more}
    hostile = Hostile([*replies])
    if models is not None:
        hostile.models = models
    async with hostile.serving(), OpenAIServerMaker(hostile.url, **options).running() as runner:
        yield runner, hostile


async def ask(runner: OpenAIServer, **question: Any) -> tuple[str, CompletionEnd]:
    pieces: list[str] = []
    end = None
    async with runner.complete(Complete(**{"messages": QUESTION, **question})) as parts:
        async for part in parts:
            assert end is None
            if isinstance(part, TextDelta):
                pieces.append(part.text)
            else:
                end = part
    assert end is not None
    return "".join(pieces), end


class TestRunning:
    async def test_the_first_model_listed_is_meant(self) -> None:
        async with server(GOOD, models={"data": [{"id": "a"}, {"id": "b"}]}) as (runner, hostile):
            assert runner.state().model == "a"
            assert runner.name == f"{hostile.url}#a"

    @pytest.mark.parametrize(
        "models", [{"data": []}, {"data": [{"id": "other"}]}, {}, [], "no", {"data": [{"id": 3}, None]}, {"data": 7}]
    )
    async def test_a_model_that_is_not_listed(self, models: Any) -> None:
        with pytest.raises(RemoteUnavailable, match="tiny"):
            async with server(GOOD, models=models, model="tiny"):
                pass

    async def test_nobody_there(self) -> None:
        with pytest.raises(RemoteUnavailable) as caught:
            async with OpenAIServerMaker("http://127.0.0.1:1/v1", "").running():
                pass
        assert caught.value.retryable and caught.value.hint

    async def test_the_path_is_added_where_there_is_none(self) -> None:
        assert OpenAIServerMaker("http://127.0.0.1:8080", "").base == "http://127.0.0.1:8080/v1"
        assert OpenAIServerMaker("https://host/api/v3/", "").base == "https://host/api/v3"

    @pytest.mark.parametrize(
        "url", ["", "ftp://host", "file:///etc/passwd", "http://", "http://me:pw@host", "http://host/?q=1", "localhost"]
    )
    def test_no_url(self, url: str) -> None:
        with pytest.raises(BadEngineInput) as caught:
            OpenAIServerMaker(url, "")
        assert "pw" not in caught.value.line()

    def test_no_key(self) -> None:
        with pytest.raises(BadEngineInput):
            OpenAIServerMaker("http://host", "", "a\r\nb: c")


class TestAnswers:
    async def test_text_and_end(self) -> None:
        async with server(GOOD) as (runner, hostile):
            text, end = await ask(runner, max_tokens=7)
        assert text == "Paris"
        assert (end.finish, end.prompt_tokens, end.completion_tokens, end.model) == ("stop", 20, 2, "tiny")
        spent = end.receipt
        assert spent.system + spent.history + spent.memory + spent.question + spent.tools + spent.template == 20
        assert spent.system > 0 and spent.question > spent.system
        body = hostile.asked[0].body
        assert (body["model"], body["max_tokens"], body["stream"]) == ("tiny", 7, True)
        assert hostile.asked[0].headers["authorization"] == f"Bearer {KEY}"

    async def test_the_connection_is_used_again(self) -> None:
        async with server(GOOD) as (runner, hostile):
            for _ in range(3):
                await ask(runner)
            assert not hostile.gone.is_set()

    async def test_without_usage_the_tokens_are_estimated(self) -> None:
        async with server(stream(said("Par"), said("is"), event(END), DONE)) as (runner, _):
            _, end = await ask(runner)
        assert end.completion_tokens == 2
        assert end.prompt_tokens > 10

    @pytest.mark.parametrize("tail", [(), (event(USAGE),), (b": bye\n\n",)])
    @pytest.mark.parametrize("properly", [True, False])
    async def test_a_missing_done_is_forgiven_behind_the_end(self, tail: tuple[bytes, ...], properly: bool) -> None:
        async with server(stream(said("Paris"), event(END), *tail, end=properly)) as (runner, _):
            assert (await ask(runner))[0] == "Paris"

    async def test_a_server_that_does_not_stream(self) -> None:
        whole = {"choices": [{"message": {"content": "Paris"}, "finish_reason": "length"}], "usage": USAGE["usage"]}
        async with server(answer(200, whole)) as (runner, _):
            text, end = await ask(runner)
        assert (text, end.finish, end.prompt_tokens) == ("Paris", "length", 20)

    async def test_reasoning_is_not_said(self) -> None:
        thought = event({"choices": [{"delta": {"reasoning_content": "Hmm", "content": None}}]})
        async with server(stream(thought, said("Paris"), event(END), DONE)) as (runner, _):
            assert (await ask(runner))[0] == "Paris"

    async def test_tool_calls_are_joined(self) -> None:
        def fragment(index: int, **call: Any) -> bytes:
            return event({"choices": [{"delta": {"tool_calls": [{"index": index, **call}]}}]})

        pieces = [
            fragment(0, id="x", function={"name": "look", "arguments": '{"a"'}),
            fragment(1, id="y", function={"name": "go", "arguments": ""}),
            fragment(0, id="x", function={"name": "look", "arguments": ":1}"}),
            event(END),
            DONE,
        ]
        async with server(stream(*pieces)) as (runner, hostile):
            _, end = await ask(runner, tools=(Tool(name="look"), Tool(name="go")), tool_choice="look")
        assert end.finish == "tool_calls"
        assert [(call.id, call.name, call.arguments) for call in end.tool_calls] == [
            ("x", "look", '{"a":1}'),
            ("y", "go", "{}"),
        ]
        assert hostile.asked[0].body["tool_choice"] == {"type": "function", "function": {"name": "look"}}

    async def test_logprobs(self) -> None:
        token = {"token": "Paris", "logprob": -0.5, "top_logprobs": [{"token": "P", "logprob": None}]}
        async with server(stream(said("Paris", logprobs={"content": [token]}), event(END))) as (runner, hostile):
            async with runner.complete(Complete(messages=QUESTION, logprobs=1)) as parts:
                first = await anext(aiter(parts))
        assert isinstance(first, TextDelta)
        assert [(said.token, said.logprob, said.top) for said in first.logprobs] == [("Paris", -0.5, (("P", -9999.0),))]
        assert hostile.asked[0].body["top_logprobs"] == 1

    async def test_bare_text(self) -> None:
        pieces = [event({"choices": [{"text": text, "finish_reason": None}]}) for text in (" four", ",")]
        last = event({"choices": [{"text": "", "finish_reason": "length"}]})
        async with server(stream(*pieces, last, event(USAGE), DONE)) as (runner, hostile):
            async with runner.complete(Complete(prompt="One,", max_tokens=2, stop=("x",))) as parts:
                *said_, end = [part async for part in parts]
        assert "".join(part.text for part in said_ if isinstance(part, TextDelta)) == " four,"
        assert isinstance(end, CompletionEnd) and end.finish == "length" and end.receipt.question > 0
        (asked,) = hostile.asked
        assert asked.path.endswith("/completions") and not asked.path.endswith("/chat/completions")
        assert (asked.body["prompt"], asked.body["stop"]) == ("One,", ["x"]) and "messages" not in asked.body

    async def test_bare_text_without_logprobs(self) -> None:
        async with server(GOOD) as (runner, _):
            with pytest.raises(RemoteRefused):
                async with runner.complete(Complete(prompt="One,", logprobs=1)) as parts:
                    await anext(aiter(parts))

    async def test_half_characters_do_no_harm(self) -> None:
        broken = b'data: {"choices":[{"delta":{"content":"a\\ud83db"}}]}\n\n'
        async with server(stream(broken, event(END))) as (runner, _):
            text, _ = await ask(runner)
        assert text == "a�b"
        assert text.encode()


class TestFailures:
    @pytest.mark.parametrize("status", [429, 502, 503])
    async def test_another_try_before_the_first_byte(self, status: int) -> None:
        busy = answer(status, {"error": {"message": "busy"}}, "Retry-After: 0")
        async with server(busy, hang_up, GOOD) as (runner, hostile):
            assert (await ask(runner))[0] == "Paris"
            assert len(hostile.asked) == 3

    async def test_no_try_without_end(self) -> None:
        async with server(answer(503, {}, "Retry-After: 0")) as (runner, hostile):
            with pytest.raises(RemoteUnavailable, match="503"):
                await ask(runner)
            assert len(hostile.asked) == 3

    async def test_a_long_retry_after_is_not_waited_for(self) -> None:
        async with server(answer(429, {}, "Retry-After: 3600")) as (runner, hostile):
            with pytest.raises(RemoteUnavailable, match="429"):
                await ask(runner)
            assert len(hostile.asked) == 1

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            *((status, RemoteRefused) for status in (400, 422, 501)),
            *((status, RemoteForbidden) for status in (401, 403)),
            *((status, RemoteFailed) for status in (301, 404, 500)),
        ],
    )
    async def test_refusals(self, status: int, kind: type[SoloError]) -> None:
        dirty = {"error": {"message": f"no\x1b[31m\n {KEY} " + "x" * 999}}
        async with server(answer(status, dirty, "Location: http://127.0.0.1:1/")) as (runner, hostile):
            with pytest.raises(kind) as caught:
                await ask(runner)
            assert len(hostile.asked) == 1
        line = caught.value.line()
        assert KEY not in line and "\x1b" not in line and len(line) < 500

    @pytest.mark.parametrize("body", [b"<html>gone</html>", b"\xff\xfe", b"[" * 70_000, b'{"detail":[{"msg":"x"}]}'])
    async def test_errors_that_are_no_json(self, body: bytes) -> None:
        async with server(answer(400, body)) as (runner, _):
            with pytest.raises(RemoteRefused) as caught:
                await ask(runner)
        assert "<html>" not in caught.value.message

    async def test_cut_in_the_middle(self) -> None:
        async with server(stream(said("Par"), end=False), GOOD) as (runner, hostile):
            with pytest.raises(RemoteDied) as caught:
                await ask(runner)
            assert caught.value.retryable
            assert len(hostile.asked) == 1

    async def test_done_without_an_end_is_cut_too(self) -> None:
        async with server(stream(said("Par"), DONE)) as (runner, _):
            with pytest.raises(RemoteDied):
                await ask(runner)

    async def test_an_empty_stream_is_asked_why(self) -> None:
        too_long = {"error": {"message": "Requested tokens (300) exceed context window of 100"}}
        async with server(stream(), answer(400, too_long)) as (runner, hostile):
            with pytest.raises(PromptTooLong):
                await ask(runner)
            assert [asked.body["stream"] for asked in hostile.asked] == [True, False]

    async def test_an_error_in_band(self) -> None:
        error = event({"error": {"message": f"out of memory {KEY}", "code": 500}})
        async with server(stream(said("Par"), error, said("is"), event(END))) as (runner, _):
            with pytest.raises(RemoteFailed, match="out of memory") as caught:
                await ask(runner)
        assert KEY not in caught.value.line()

    @pytest.mark.parametrize(
        "chunk", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: \xff\n\n", b"data: " + b"[" * 100_000 + b"\n\n"]
    )
    async def test_broken_chunks(self, chunk: bytes) -> None:
        async with server(stream(said("Par"), chunk, event(END))) as (runner, _):
            with pytest.raises(RemoteFailed):
                await ask(runner)

    async def test_an_endless_line(self) -> None:
        async with server(stream(*[b"x" * 500_000] * 20)) as (runner, _):
            with pytest.raises(RemoteFailed, match="4 MiB"):
                await ask(runner)

    async def test_an_endless_answer(self) -> None:
        flood = b"".join([said("x" * 1000)] * 1000)
        async with server(stream(*[flood] * 40)) as (runner, _):
            with pytest.raises(RemoteFailed):
                await ask(runner, max_tokens=1)

    async def test_compressed_answers_are_refused(self) -> None:
        async with server(stream(b"\x1f\x8b", headers="content-encoding: gzip\r\n")) as (runner, _):
            with pytest.raises(RemoteFailed, match="compresses"):
                await ask(runner)

    async def test_the_key_is_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with server(GOOD, answer(400, {"error": KEY})) as (runner, _):
            await ask(runner)
            with pytest.raises(RemoteRefused):
                await ask(runner)
            assert KEY not in repr(runner.state())
            assert KEY not in repr(OpenAIServerMaker("http://host", "", KEY))
        assert KEY not in caplog.text
