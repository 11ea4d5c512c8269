"""Anthropic's messages: what becomes of the blocks, and the events of an answer."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from services.messages.language import ToolCall
from services.messages.security import OWNER_PRINCIPAL
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.llm_house import delta, door, end

PNG = b"\x89PNG\r\n\x1a\n...."
DATA = base64.b64encode(PNG).decode()
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
CALL = ToolCall(id="call_1", name="look", arguments=json.dumps({"text": "x" * 600}))
LOOK = {"name": "look", "input_schema": {"type": "object"}}
HI = [{"role": "user", "content": "Hi"}]


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    known = {"model": "solo", "max_tokens": 9, "messages": HI}
    return await client.post("/v1/messages", json=known | body, headers={"anthropic-version": "2023-06-01"})


def events(response: httpx.Response) -> list[Any]:
    found = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        said = json.loads(data.removeprefix("data: "))
        assert name == f"event: {said['type']}"
        found.append(said)
    return found


async def test_blocks(ctx: Context) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "See"}, PICTURE]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "?"}, {"type": "text", "text": "Hm"},
            {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [
            {"type": "text", "text": "a fox"}]}, {"type": "text", "text": "So?"}]},
        {"role": "assistant", "content": "It is"},
    ]  # fmt: skip
    who = OWNER_PRINCIPAL.model_copy(update={"profile": "ada"})
    async with door(ctx, who=who) as (client, played):
        response = await ask(
            client, messages=messages, system=[{"type": "text", "text": "Be."}], tools=[LOOK],
            tool_choice={"type": "any"}, stop_sequences=["x"], top_k=3,
        )  # fmt: skip
    assert response.status_code == 200, response.text
    (question,) = played.asked
    assert [message.role for message in question.messages] == ["system", "user", "assistant", "tool", "user"]
    assert question.messages[1].images == (PNG,)
    assert json.loads(question.messages[2].tool_calls[0].arguments) == {"x": 1}
    assert (question.prefix, question.tool_choice, question.stop) == ("It is", "required", ("x",))
    assert (question.profile, question.sampling.top_k, question.max_tokens) == ("ada", 3, 9)


async def test_whole(ctx: Context) -> None:
    async with door(ctx, parts=[delta("Hm"), end(finish="tool_calls", tool_calls=(CALL,))]) as (client, _):
        body = (await ask(client)).json()
    assert (body["type"], body["role"], body["stop_reason"]) == ("message", "assistant", "tool_use")
    assert body["content"][0] == {"type": "text", "text": "Hm"}
    assert body["content"][1]["input"] == json.loads(CALL.arguments)
    assert body["usage"]["input_tokens"] == 4 and body["usage"]["cache_read_input_tokens"] == 2


@pytest.mark.parametrize("calls", [(), (CALL, CALL)])
@pytest.mark.parametrize("text", ["", "Hm."])
async def test_streamed_as_whole(ctx: Context, text: str, calls: tuple[ToolCall, ...]) -> None:
    parts = [*([delta(text)] if text else []), end(finish="tool_calls" if calls else "length", tool_calls=calls)]
    async with door(ctx, parts=parts) as (client, _):
        whole = (await ask(client)).json()
        said = events(await ask(client, stream=True))
    assert said[0]["type"] == "message_start" and said[-1]["type"] == "message_stop"
    blocks: dict[int, Any] = {}
    for event in said:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks[event["index"]] = {**event["content_block"], "said": ""}
        elif event["type"] == "content_block_delta":
            blocks[event["index"]]["said"] += event["delta"].get("text", "") + event["delta"].get("partial_json", "")
    for place, block in enumerate(whole["content"]):
        said_text = blocks[place]["said"]
        assert block["type"] == blocks[place]["type"]
        assert (
            block.get("text", "") == said_text if block["type"] == "text" else json.loads(said_text) == block["input"]
        )
    assert said[-2]["delta"]["stop_reason"] == whole["stop_reason"] == ("tool_use" if calls else "max_tokens")
    assert said[-2]["usage"] == whole["usage"]


async def test_broken_arguments_are_still_an_object(ctx: Context) -> None:
    call = CALL.model_copy(update={"arguments": "[1"})
    async with door(ctx, parts=[end(finish="tool_calls", tool_calls=(call,))]) as (client, _):
        body = (await ask(client)).json()
    assert body["content"][0]["input"] == {"text": "[1"}


async def test_an_error_is_in_its_envelope(ctx: Context) -> None:
    async with door(ctx, parts=[EngineDied("gone", hint="Ask again.")]) as (client, _):
        whole = await ask(client)
        missing = await client.post("/v1/messages/batches", json={})
    assert whole.status_code == 503 and whole.headers["retry-after"]
    assert whole.json() == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "gone. Ask again.", "details": {"error_code": "engine.died"}},
        "request_id": "",
    }
    assert missing.status_code == 404 and missing.json()["error"]["type"] == "not_found_error"


async def test_an_error_in_the_middle_is_an_event(ctx: Context) -> None:
    async with door(ctx, parts=[delta("Pa"), 0.01, EngineDied("gone")]) as (client, _):
        *_, last = events(await ask(client, stream=True))
    assert last["type"] == "error" and last["error"]["details"] == {"error_code": "engine.died"}


async def test_counted(ctx: Context) -> None:
    async with door(ctx) as (client, played):
        body = {"model": "fast", "messages": HI, "system": "Be.", "tools": [LOOK]}
        answer = (await client.post("/v1/messages/count_tokens", json=body)).json()
    (question,) = played.asked
    assert answer == {"input_tokens": 17}
    assert (question.role, len(question.messages), len(question.tools)) == ("fast", 2, 1)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]}, "messages.0"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]}, "messages.0"),
        ({"system": [{"type": "image"}]}, "system.0"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"name": "x"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"stop_sequences": ["x"] * 17}, "stop_sequences"),
        ({"temperature": -1}, "temperature"),
    ],
)  # fmt: skip
async def test_refused_by_name(ctx: Context, body: dict[str, Any], where: str) -> None:
    async with door(ctx) as (client, played):
        response = await ask(client, **body)
    error = response.json()["error"]
    assert response.status_code == 400 and not played.asked
    assert error["type"] == "invalid_request_error" and where in error["message"]
