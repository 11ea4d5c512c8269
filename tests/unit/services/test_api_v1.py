"""OpenAI's API: what its clients rely on."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx
import pytest

from services.messages.language import CompletionEnd, TokenLogprob, ToolCall
from services.messages.models import ModelFile
from services.messages.pool import Ledger, LoadedModel, PoolState, RoleState
from solo.bus import Busy, NoHandler
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.llm_house import delta, door, end

HI = [{"role": "user", "content": "Capital of France?"}]
LEDGER = Ledger(budget_bytes=1, reserved_bytes=0, voice_bytes=0, entries=())
POOL = PoolState(
    status="ok",
    roles=(
        RoleState(role="dialog", model="tiny", answering="tiny", state="ok"),
        RoleState(role="vision", model="", answering="", state="unbound"),
    ),
    models=(LoadedModel(name="tiny", state="ready", context=2048), LoadedModel(name="http://h/v1#a", state="remote")),
    ledger=LEDGER,
)
FILES = tuple(
    ModelFile(name=name, path=f"/m/{name}", origin="models", size_bytes=1, modified=7.5, verdict=verdict)
    for name, verdict in (("tiny", "usable"), ("bad", "refused"))
)
CALL = ToolCall(id="call_1", name="look", arguments=json.dumps({"text": "x" * 600}))


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json={"messages": HI, **body})


def events(response: httpx.Response) -> list[Any]:
    """The data of each event; the last one must be the end."""
    blocks = response.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks[:-1])
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]


class TestWhole:
    async def test_an_answer(self, ctx: Context) -> None:
        async with door(ctx) as (client, models):
            response = await ask(client, model="dialog", max_tokens=5)
        body = response.json()
        assert response.status_code == 200
        assert body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-") and body["model"] == "tiny"
        (choice,) = body["choices"]
        assert choice["message"] == {"role": "assistant", "content": "Paris ✓", "refusal": None}
        assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, "stop", None)
        assert body["usage"]["total_tokens"] == 9
        assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
        assert CompletionEnd.model_validate(body["solo"]) == end()
        assert models.asked[0].max_tokens == 5

    async def test_calls_of_tools(self, ctx: Context) -> None:
        async with door(ctx, parts=[end(finish="tool_calls", tool_calls=(CALL,))]) as (client, _):
            (choice,) = (await ask(client)).json()["choices"]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        assert choice["message"]["tool_calls"] == [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": CALL.arguments}}
        ]

    async def test_logprobs(self, ctx: Context) -> None:
        token = TokenLogprob(token="é", logprob=-0.5, top=(("é", -0.5), ("e", -1.5)))
        async with door(ctx, parts=[delta("é", logprobs=(token,)), end()]) as (client, models):
            (choice,) = (await ask(client, logprobs=True, top_logprobs=2)).json()["choices"]
        (said,) = choice["logprobs"]["content"]
        assert (said["token"], said["logprob"], said["bytes"]) == ("é", -0.5, [0xC3, 0xA9])
        assert [other["token"] for other in said["top_logprobs"]] == ["é", "e"]
        assert models.asked[0].logprobs == 2


class TestStreamed:
    async def test_an_answer(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await ask(client, stream=True, model='a "name" %s')
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        chunks = events(response)
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {
            (response.headers["x-request-id"], 'a "name" %s')
        }
        choices = [chunk["choices"][0] for chunk in chunks]
        assert choices[0]["delta"] == {"role": "assistant", "content": ""}
        assert "".join(choice["delta"].get("content", "") for choice in choices) == "Paris ✓"
        assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
        assert choices[-1]["delta"] == {}
        assert "usage" not in chunks[0]

    async def test_what_it_took_comes_last(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            *chunks, last = events(await ask(client, stream=True, stream_options={"include_usage": True}))
        assert all(chunk["usage"] is None for chunk in chunks)
        assert last["choices"] == [] and last["usage"]["completion_tokens"] == 3
        assert CompletionEnd.model_validate(last["solo"]) == end()

    async def test_what_has_come_meanwhile_is_one_chunk(self, ctx: Context) -> None:
        parts = [*(delta(sign) for sign in "abcdefgh"), end()]
        async with door(ctx, parts=parts) as (client, _):
            chunks = events(await ask(client, stream=True))
        texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
        assert "".join(text or "" for text in texts) == "abcdefgh"
        assert len(chunks) < len(parts)

    @pytest.mark.parametrize("text", ["\n", "\r\n\r\ndata: x\n\n", '"}]}', "\u2028", "\x00", "\U0001f600", "\\"])
    async def test_any_text_stays_in_its_event(self, ctx: Context, text: str) -> None:
        async with door(ctx, parts=[delta(text), end()]) as (client, _):
            response = await ask(client, stream=True)
        chunks = events(response)
        assert response.text.splitlines() == response.text.split("\n")[:-1]
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text

    async def test_calls_of_tools_in_fragments(self, ctx: Context) -> None:
        calls = (CALL, CALL.model_copy(update={"id": "call_2", "arguments": "{}"}))
        async with door(ctx, parts=[delta("Hm."), end(finish="tool_calls", tool_calls=calls)]) as (client, _):
            chunks = events(await ask(client, stream=True))
        fragments = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
        joined = ["", ""]
        for fragment in fragments:
            joined[fragment["index"]] += fragment["function"]["arguments"]
        assert joined == [CALL.arguments, "{}"]
        assert [fragment["id"] for fragment in fragments if "id" in fragment] == ["call_1", "call_2"]
        assert len(fragments) > 4
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"

    async def test_logprobs(self, ctx: Context) -> None:
        token = TokenLogprob(token="a", logprob=-1.0)
        parts = [delta("a", logprobs=(token,)), delta("b", logprobs=(token,)), end()]
        async with door(ctx, parts=parts) as (client, _):
            chunks = events(await ask(client, stream=True, logprobs=True))
        said = [chunk["choices"][0]["logprobs"] for chunk in chunks]
        assert sum(len(one["content"]) for one in said if one) == 2

    async def test_an_error_before_the_first_piece_has_a_status(self, ctx: Context) -> None:
        async with door(ctx, parts=[EngineDied("gone")]) as (client, _):
            response = await ask(client, stream=True)
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["error"]["type"] == "unavailable_error"

    async def test_an_error_behind_it_is_an_event(self, ctx: Context) -> None:
        async with door(ctx, parts=[delta("Pa"), 0.01, EngineDied("gone", hint="Ask again.")]) as (client, _):
            response = await ask(client, stream=True)
        *_, last = events(response)
        assert response.status_code == 200
        assert last["error"] == {
            "message": "gone. Ask again.",
            "type": "unavailable_error",
            "param": None,
            "code": "engine.died",
        }


class TestErrors:
    async def test_nobody_answers(self, ctx: Context) -> None:
        async with door(ctx, parts=[Busy("too much")]) as (client, _):
            response = await ask(client)
        assert response.status_code == 503 and response.headers["retry-after"]
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/v1/chat/completions", 405),
            ("POST", "/v1/nothing", 404),
            ("PUT", "/v1/completions", 405),
            ("OPTIONS", "/v1/responses/resp_1", 405),
            ("POST", "/v1/models/a/b", 405),
        ],
    )
    async def test_what_is_not_there(self, ctx: Context, method: str, path: str, status: int) -> None:
        async with door(ctx) as (client, _):
            response = await client.request(method, path, json=None if method == "GET" else {})
        assert response.status_code == status
        kind = "not_found_error" if status == 404 else "invalid_request_error"
        assert response.json()["error"]["type"] == kind
        allowed = {"/v1/responses/resp_1": "DELETE, GET", "/v1/models/a/b": "GET"}.get(path, "POST")
        assert response.headers.get("allow") == (allowed if status == 405 else None)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"a":"\\ud800"}', b"[" * 100_000])
    async def test_no_json(self, ctx: Context, body: bytes) -> None:
        async with door(ctx) as (client, models):
            response = await client.post("/v1/chat/completions", content=body)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert not models.asked


class TestModels:
    async def test_roles_first_then_names(self, ctx: Context) -> None:
        async with door(ctx, pool=POOL, files=FILES) as (client, _):
            body = (await client.get("/v1/models")).json()
        assert body["object"] == "list"
        assert [entry["id"] for entry in body["data"]] == ["solo", "dialog", "tiny", "http://h/v1#a"]
        assert all(entry["object"] == "model" and entry["owned_by"] == "solo" for entry in body["data"])
        assert body["data"][2]["created"] == 7
        assert body["data"][2]["meta"]["state"] == "ready"
        assert body["data"][1]["meta"]["model"] == "tiny"

    async def test_one(self, ctx: Context) -> None:
        async with door(ctx, pool=POOL, files=FILES) as (client, _):
            assert (await client.get("/v1/models/dialog")).json()["id"] == "dialog"
            assert (await client.get("/v1/models/http://h/v1%23a")).json()["id"] == "http://h/v1#a"
            missing = await client.get("/v1/models/bad")
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "model_not_found"

    @pytest.mark.parametrize(
        ("known", "names"),
        [({"files": FILES}, ["tiny"]), ({"pool": POOL, "files": NoHandler("x")}, ["solo", "dialog", "tiny"])],
    )
    async def test_one_source_will_do(self, ctx: Context, known: dict[str, Any], names: list[str]) -> None:
        async with door(ctx, **known) as (client, _):
            listed = [entry["id"] for entry in (await client.get("/v1/models")).json()["data"]]
        assert listed[: len(names)] == names

    async def test_no_source(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await client.get("/v1/models")
        assert response.status_code == 503


class TestEmbeddings:
    async def test_numbers(self, ctx: Context) -> None:
        async with door(ctx) as (client, models):
            body = (await client.post("/v1/embeddings", json={"input": ["a", "b"], "model": "tiny"})).json()
        assert [entry["embedding"] for entry in body["data"]] == [[0.6, -0.8]] * 2
        assert [entry["index"] for entry in body["data"]] == [0, 1]
        assert body["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
        assert (models.asked[0].texts, models.asked[0].model) == (("a", "b"), "tiny")

    async def test_base64(self, ctx: Context) -> None:
        async with door(ctx) as (client, models):
            asked = {"input": "a", "encoding_format": "base64", "model": "fast"}
            body = (await client.post("/v1/embeddings", json=asked)).json()
        numbers = struct.unpack("<2f", base64.b64decode(body["data"][0]["embedding"]))
        assert numbers == pytest.approx((0.6, -0.8))
        assert models.asked[0].model == ""

    @pytest.mark.parametrize("body", [{}, {"input": []}, {"input": ""}, {"input": [1, 2]}, {"input": ["a"] * 257}])
    async def test_what_is_no_text(self, ctx: Context, body: dict[str, Any]) -> None:
        async with door(ctx) as (client, _):
            response = await client.post("/v1/embeddings", json=body)
        assert response.status_code == 400
        assert str(response.json()["error"]["param"]).startswith("input")

    async def test_no_dimensions(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await client.post("/v1/embeddings", json={"input": "a", "dimensions": 64})
        assert response.status_code == 400 and response.json()["error"]["param"] == "dimensions"
