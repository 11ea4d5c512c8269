"""Responses: conversations that go on by id, their events, and what is kept for whom."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from services.api import http
from services.api.openai import response_store
from services.api.openai.response_store import Kept, ResponseStore
from services.messages.language import ChatMessage, ToolCall
from services.messages.security import OWNER_PRINCIPAL
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.callers import as_caller
from tests.stubs.llm_house import delta, door, end, models

PNG = b"\x89PNG\r\n\x1a\n...."
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
PICTURE = {"type": "input_image", "image_url": URL}
CALL = ToolCall(id="call_1", name="look", arguments=json.dumps({"text": "x" * 600}))
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}


@pytest.fixture(autouse=True)
def known_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.STATUS, "api.no_such_response", 404)


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/responses", json={"input": "Hi", **body})


def events(response: httpx.Response) -> list[Any]:
    """The data of each event, whose name must be its type and whose number its place."""
    found = []
    for place, block in enumerate(response.text.removesuffix("\n\n").split("\n\n")):
        name, data = block.split("\n")
        said = json.loads(data.removeprefix("data: "))
        assert name == f"event: {said['type']}" and said["sequence_number"] == place
        found.append(said)
    return found


class TestAsked:
    async def test_items(self, ctx: Context) -> None:
        items = [
            {"role": "user", "content": [{"type": "input_text", "text": "See"}, PICTURE]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hm"}]},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "a fox"},
        ]  # fmt: skip
        who = OWNER_PRINCIPAL.model_copy(update={"profile": "ada"})
        async with door(ctx, who=who) as (client, played):
            asked = {"instructions": "Be brief.", "tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}}
            response = await ask(client, input=items, **asked, text={"format": {"type": "json_object"}})
        assert response.status_code == 200, response.text
        (question,) = played.asked
        assert [message.role for message in question.messages] == ["system", "user", "assistant", "tool"]
        assert question.messages[1].images == (PNG,)
        assert question.messages[2].tool_calls[0].id == question.messages[3].tool_call_id == "a"
        assert (question.tool_choice, question.profile, question.form.json_schema) == ("look", "ada", {})

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"input": []}, "input"),
            ({"input": 3}, "input"),
            ({"input": ["x"]}, "input.0"),
            ({"input": [{"type": "reasoning"}]}, "input.0"),
            ({"input": [{"role": "cook", "content": "x"}]}, "input.0.role"),
            ({"input": [{"type": "function_call", "name": "x"}]}, "input.0.call_id"),
            ({"background": True}, "background"),
            ({"conversation": "c"}, "conversation"),
            ({"truncation": "disabled"}, "truncation"),
            ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
            ({"tools": [{"type": "function", "name": "a b"}]}, "tools.0.name"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
            ({"max_output_tokens": 0}, "max_output_tokens"),
            ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ],
    )
    async def test_refused_by_name(self, ctx: Context, body: dict[str, Any], param: str) -> None:
        async with door(ctx) as (client, played):
            response = await ask(client, **body)
        assert response.status_code == 400 and not played.asked
        assert response.json()["error"]["param"] == param


class TestAnswered:
    async def test_whole(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            body = (await ask(client, metadata={"a": "b"})).json()
        (message,) = body["output"]
        assert (body["object"], body["status"], body["metadata"]) == ("response", "completed", {"a": "b"})
        assert message["content"][0]["text"] == "Paris ✓" and message["role"] == "assistant"
        assert body["usage"]["input_tokens_details"]["cached_tokens"] == 2 and body["usage"]["total_tokens"] == 9

    @pytest.mark.parametrize("calls", [(), (CALL, CALL)])
    @pytest.mark.parametrize("text", ["", "Hm."])
    async def test_streamed_as_whole(self, ctx: Context, text: str, calls: tuple[ToolCall, ...]) -> None:
        parts = [*([delta(text)] if text else []), end(finish="tool_calls" if calls else "stop", tool_calls=calls)]
        async with door(ctx, parts=parts) as (client, _):
            whole = (await ask(client)).json()
            said = events(await ask(client, stream=True))
        assert [event["type"] for event in said[:2]] == ["response.created", "response.in_progress"]
        items: dict[int, Any] = {}
        for event in said:
            if event["type"] == "response.output_item.done":
                items[event["output_index"]] = event["item"]
        last = said[-1]
        assert last["type"] == "response.completed"
        assert [items[index] for index in sorted(items)] == last["response"]["output"]
        assert [item["type"] for item in last["response"]["output"]] == [item["type"] for item in whole["output"]]
        pieces = [event["delta"] for event in said if event["type"] == "response.function_call_arguments.delta"]
        assert "".join(pieces) == CALL.arguments * len(calls)

    async def test_cut(self, ctx: Context) -> None:
        async with door(ctx, parts=[delta("Pa"), end(finish="length")]) as (client, _):
            *_, last = events(await ask(client, stream=True))
        assert last["type"] == "response.incomplete"
        assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}

    async def test_failed(self, ctx: Context) -> None:
        async with door(ctx, parts=[delta("Pa"), 0.01, EngineDied("gone")]) as (client, _):
            *_, last = events(await ask(client, stream=True))
        assert last["type"] == "response.failed" and last["response"]["status"] == "failed"
        assert last["response"]["error"]["message"] == "gone"


class TestKept:
    async def test_a_conversation_goes_on(self, ctx: Context) -> None:
        async with door(ctx, parts=[end(finish="tool_calls", tool_calls=(CALL,))]) as (client, played):
            first = (await ask(client, instructions="Be brief.", stream=False)).json()
            output = {"type": "function_call_output", "call_id": "call_1", "output": "a fox"}
            await ask(client, input=[output], previous_response_id=first["id"])
        said = played.asked[1].messages
        assert [message.role for message in said] == ["user", "assistant", "tool"]
        assert said[1].tool_calls == (CALL,)

    async def test_found_listed_and_forgotten(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            *_, last = events(await ask(client, stream=True))
            path = f"/v1/responses/{last['response']['id']}"
            assert (await client.get(path)).json() == last["response"]
            listed = (await client.get(f"{path}/input_items")).json()
            assert listed["data"][0]["content"] == [{"type": "input_text", "text": "Hi"}]
            assert (await client.get(f"{path}/input_items?limit=0")).status_code == 400
            assert (await client.delete(path)).json()["deleted"] is True
            answers = [await client.get(path), await client.delete(path)]
        assert [answer.status_code for answer in answers] == [404, 404]

    async def test_not_for_others_and_not_unless_wanted(self, ctx: Context) -> None:
        async with models(ctx) as (_, played):
            assert played.app is not None
            names = []
            for profile, store in (("ada", True), ("bob", True), ("bob", False)):
                who = OWNER_PRINCIPAL.model_copy(update={"profile": profile})
                transport = httpx.ASGITransport(as_caller(played.app, who))
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
                    names.append((await ask(client, store=store)).json()["id"])
                    seen = [(await client.get(f"/v1/responses/{name}")).status_code for name in names]
                    gone_on = await ask(client, previous_response_id=names[0])
        assert seen == [404, 200, 404]
        assert gone_on.status_code == 404


def kept(text: str, until: float = 1e12) -> Kept:
    return Kept(b"{}", (), (ChatMessage(role="user", content=text),), until)


class TestStore:
    async def test_newest_by_number_and_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_store, "MOST_BYTES", 100)
        store = ResponseStore()
        for number in range(response_store.MOST_KEPT + 1):
            store.put("other", str(number), kept(""))
        assert store.get("other", "206") is None and store.get("other", "207") is not None  # 2 bytes each
        store.put("ada", "a", kept("x" * 60))
        store.put("ada", "b", kept("x" * 60))
        store.put("ada", "c", kept("x" * 200))
        assert [store.get("ada", name) is not None for name in "abc"] == [False, True, False]

    async def test_number(self) -> None:
        store = ResponseStore()
        for number in range(response_store.MOST_KEPT + 1):
            store.put("ada", str(number), kept(""))
        assert store.get("ada", "0") is None and store.get("ada", "1") is not None

    async def test_a_day(self) -> None:
        store = ResponseStore()
        store.put("ada", "a", kept("x", until=0))
        assert store.get("ada", "a") is None

    async def test_profiles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_store, "_MOST_PROFILES", 2)
        store = ResponseStore()
        for profile in ("a", "b", "a", "c"):
            store.put(profile, "x", kept("x"))
        assert [store.get(profile, "x") is not None for profile in "abc"] == [True, False, True]
