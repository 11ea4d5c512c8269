"""Questions in each server's dialect, streams of events cut anywhere, beginnings said twice."""

from __future__ import annotations

from typing import Any

import pytest

from services.llm.adapters.remote.answer import Answer
from services.llm.adapters.remote.asking import body_of
from services.llm.adapters.remote.beginning import Beginning
from services.llm.adapters.remote.dialects import (
    LLAMA_CPP,
    LLAMA_CPP_PYTHON,
    OLLAMA,
    UNKNOWN,
    VLLM,
    Dialect,
    context_of,
    dialect_of,
)
from services.llm.adapters.remote.events import MOST_LINE, Events
from services.llm.adapters.remote.refusals import pause_of
from services.llm.remote import RemoteFailed, RemoteRefused
from services.messages.language import ChatMessage, Complete, Form, Sampling, Tool, ToolCall
from solo.isolation.engine import BadEngineInput

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
PNG = b"\x89PNG\r\n\x1a\n...."


def body(dialect: Dialect = UNKNOWN, **question: Any) -> dict[str, Any]:
    asked = Complete(**{"messages": (ChatMessage(role="user", content="Hi"),), **question})
    return body_of(asked, asked.messages, "tiny", dialect)


class TestDialects:
    @pytest.mark.parametrize(
        ("entry", "name"),
        [
            ({"owned_by": "llamacpp"}, "llama.cpp server"),
            ({"owned_by": "me", "permissions": []}, "llama-cpp-python server"),
            ({"owned_by": "me"}, "OpenAI-compatible server"),
            ({"owned_by": "vllm"}, "vLLM"),
            ({"owned_by": ["x"]}, "OpenAI-compatible server"),
            ({}, "OpenAI-compatible server"),
        ],
    )
    def test_are_told_apart_by_their_list_of_models(self, entry: dict[str, Any], name: str) -> None:
        assert dialect_of(entry).name == name

    def test_context(self) -> None:
        assert context_of({"meta": {"n_ctx": 1024}}) == 1024
        assert context_of({"max_model_len": 4096}) == 4096
        assert context_of({"meta": None, "max_model_len": "many"}) == 0

    def test_only_what_openai_has_goes_to_a_stranger(self) -> None:
        assert set(body()) == {"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p"}
        sampling = Sampling(temperature=1, top_k=5, min_p=0.1, repeat_penalty=1.5, seed=-1, presence_penalty=1)
        sent = body(sampling=sampling)
        assert (sent["top_k"], sent["min_p"], sent["repeat_penalty"], sent["presence_penalty"]) == (5, 0.1, 1.5, 1)
        assert 0 <= sent["seed"] < 2**31

    def test_servers_with_defaults_of_their_own_are_told_all(self) -> None:
        assert body(LLAMA_CPP)["min_p"] == 0 and body(LLAMA_CPP_PYTHON)["repeat_penalty"] == 1
        assert body(VLLM)["repetition_penalty"] == 1

    def test_forms(self) -> None:
        form = Form(json_schema=SCHEMA)
        assert body(LLAMA_CPP, form=form)["response_format"]["json_schema"]["schema"] == SCHEMA
        assert body(LLAMA_CPP_PYTHON, form=form)["response_format"] == {"type": "json_object", "schema": SCHEMA}
        assert body(form=Form(json_schema={}))["response_format"] == {"type": "json_object"}
        assert body(form=Form(grammar='root ::= "a"'))["grammar"] == 'root ::= "a"'
        with pytest.raises(RemoteRefused):
            body(OLLAMA, form=Form(grammar='root ::= "a"'))

    def test_beginnings(self) -> None:
        sent = body(LLAMA_CPP, prefix="The sea ")
        assert sent["messages"][-1] == {"role": "assistant", "content": "The sea"}
        assert "continue_final_message" not in sent
        assert body(VLLM, prefix="The sea")["continue_final_message"] is True
        assert len(body(prefix="  ")["messages"]) == 1

    def test_pictures_and_tools(self) -> None:
        call = ToolCall(id="1", name="look", arguments="{}")
        messages = (
            ChatMessage(role="user", content="What is it?", images=(PNG, b"\xff\xd8\xff", b"RIFF....WEBP")),
            ChatMessage(role="assistant", content="", tool_calls=(call,)),
            ChatMessage(role="tool", content="a cat", tool_call_id="1"),
        )
        sent = body(messages=messages, tools=(Tool(name="look"),))
        urls = [part["image_url"]["url"][:16] for part in sent["messages"][0]["content"][1:]]
        assert urls == ["data:image/png;b", "data:image/jpeg;", "data:image/webp;"]
        assert sent["messages"][1]["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
        assert sent["messages"][2]["tool_call_id"] == "1"
        assert sent["tools"][0]["function"]["name"] == "look" and sent["tool_choice"] == "auto"
        with pytest.raises(BadEngineInput):
            body(messages=(ChatMessage(role="user", content="", images=(b"GIF89a",)),))


class TestEvents:
    WHOLE = b"\xef\xbb\xbf: hi\r\n\r\ndata: a\r\n\r\nevent: x\ndata:b\ndata: c\n\n:\rdata: d\r\rid: 3"
    WHOLE += b"\n\ndata:  e\n\ndata: f"
    FOUND = [b"a", b"b\nc", b"d", b" e", b"f"]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    def test_however_it_is_cut(self, size: int) -> None:
        events = Events()
        found: list[bytes] = []
        for start in range(0, len(self.WHOLE), size):
            found += events.feed(self.WHOLE[start : start + size])
        assert found + events.end() == self.FOUND

    def test_an_error_as_a_field(self) -> None:
        assert Events().feed(b'error: {"code":500}\n\n') == [b'{"error": {"code":500}}']

    def test_many_lines_of_one_event_are_bounded_too(self) -> None:
        events = Events()
        with pytest.raises(RemoteFailed):
            for _ in range(2 * MOST_LINE // 100_000):
                events.feed(b"data: " + b"x" * 100_000 + b"\n")

    def test_nothing(self) -> None:
        assert Events().feed(b"") == [] == Events().end()


class TestBeginning:
    @pytest.mark.parametrize(
        ("prefix", "repeats", "pieces", "new"),
        [
            ("", True, ["The", " sea"], "The sea"),
            ("The sea", True, ["The", " sea", " is"], " is"),
            ("The sea", True, ["The sea is"], " is"),
            ("The sea", True, [" is", " wet"], " is wet"),
            ("The sea", True, ["The", " land"], "The land"),
            ("The sea ", True, ["The sea", " is"], "is"),
            ("The sea ", True, [" is"], "is"),
            ("The sea ", True, ["The sea", "."], "."),
            ("ha", False, ["ha", " ha"], "ha ha"),
            ("The sea ", False, [" ", "is"], "is"),
            ("The sea  ", False, [" ", " is"], "is"),
            ("The sea ", False, ["s are"], "s are"),
        ],
    )
    def test_is_said_once(self, prefix: str, repeats: bool, pieces: list[str], new: str) -> None:
        beginning = Beginning(prefix, may_repeat=repeats)
        assert "".join(beginning.next(piece) for piece in pieces) == new


class TestAnswer:
    def test_calls_without_a_number(self) -> None:
        answer = Answer("", may_repeat=False, key=None)
        for call in ({"id": "a", "function": {"name": "x", "arguments": {"k": 1}}}, {"function": {"name": "y"}}):
            chunk = f'{{"choices":[{{"delta":{{"tool_calls":[{_json(call)}]}}}}]}}'
            assert answer.take(chunk.encode()) is None
        assert [(call.id, call.name, call.arguments) for call in answer.tool_calls()] == [
            ("a", "x", '{"k": 1}'),
            ("call_1", "y", "{}"),
        ]

    @pytest.mark.parametrize(
        "chunk",
        [
            b'{"choices":[{"delta":{"tool_calls":[7,{"index":-1},{"index":true,"function":3}]}}]}',
            b'{"choices":[{"delta":{"content":[{"text":3},4]},"logprobs":7}]}',
            b'{"choices":[{"delta":7,"finish_reason":7}],"usage":{"prompt_tokens":-1,"completion_tokens":1e9}}',
            b'{"choices":{},"timings":{"prompt_ms":NaN,"predicted_ms":"x"},"usage":3}',
            b"{}",
        ],
    )
    def test_strange_chunks_say_nothing(self, chunk: bytes) -> None:
        answer = Answer("", may_repeat=False, key=None)
        assert answer.take(chunk) is None
        assert answer.prompt_tokens is None and answer.completion_tokens is None and answer.finish is None
        assert answer.prefill_s is None and not answer.tool_calls()

    def test_logprobs_are_numbers(self) -> None:
        answer = Answer("", may_repeat=False, key=None)
        many = '{"token":"a","logprob":-Infinity},{"token":"b","logprob":NaN},{"token":"c","logprob":' + "9" * 400 + "}"
        piece = answer.take(f'{{"choices":[{{"delta":{{"content":"x"}},"logprobs":{{"content":[{many}]}}}}]}}'.encode())
        assert piece is not None
        assert [token.logprob for token in piece.logprobs] == [-9999.0, -9999.0, 0.0]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3), ("0.5", 0.5), ("", None), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_retry_after(said: str, seconds: float | None) -> None:
    assert pause_of({"retry-after": said}) == seconds


def _json(value: object) -> str:
    import json

    return json.dumps(value)
