"""A realtime session in writing: settings, items, responses, tools, limits, and the names of before GA."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.api.realtime import line as lines
from services.api.realtime import session as sessions
from services.api.realtime.sessions import MOST_EACH, sessions_of
from services.api.realtime.shape import Settings, patched
from services.llm.engine import PromptTooLong
from services.messages.conversation import TurnFinished
from services.messages.language import ToolCall
from services.messages.security import OWNER_PRINCIPAL
from solo.bus import Overflow
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.realtime import Client, Door, Engines, kinds, quiet, serving

pytestmark = pytest.mark.virtual_time
WEATHER = {"type": "function", "name": "weather", "description": "Tells the weather", "parameters": {"type": "object"}}


@pytest.fixture
async def engines(ctx: Context) -> AsyncIterator[Engines]:
    async with serving(ctx) as engines:
        yield engines


@pytest.fixture
def door(ctx: Context) -> Door:
    return Door.to(ctx)


@pytest.fixture
async def client(door: Door, engines: Engines) -> AsyncIterator[Client]:
    async with door.connected() as client:
        await client.until("session.created")
        await client.update(output_modalities=["text"])
        yield client


async def answer(client: Client, **response: Any) -> list[dict[str, Any]]:
    await client.say("response.create", response=response)
    return await client.until("response.done", "error")


def done(events: list[dict[str, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = events[-1]["response"]
    return response


class TestSettings:
    async def test_a_session_begins_with_what_openai_begins_with(self, door: Door, engines: Engines) -> None:
        async with door.connected() as client:
            session = (await client.until("session.created"))[-1]["session"]
        assert session["output_modalities"] == ["audio"]
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        assert session["model"] == "gpt-realtime"

    async def test_only_what_is_named_changes(self, client: Client) -> None:
        before = await client.update(instructions="Be brief.")
        after = await client.update(audio={"output": {"voice": {"id": "en_US-joe-medium"}, "speed": 1.2}}, tools=None)
        assert after["audio"]["input"] == before["audio"]["input"]
        assert after["audio"]["output"]["voice"] == "en_US-joe-medium"
        assert (after["instructions"], after["tools"]) == ("Be brief.", [])
        assert (await client.update(audio={"input": {"turn_detection": None}}))["audio"]["input"][
            "turn_detection"
        ] is None

    @pytest.mark.parametrize(
        ("session", "param"),
        [
            ({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}}, "threshold"),
            ({"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}}}, "idle_timeout"),
            ({"audio": {"output": {"voice": "nobody"}}}, "voice"),
            ({"audio": {"output": {"format": {"type": "audio/mp3"}}}}, "format"),
            ({"tool_choice": "weather"}, "tool_choice"),
            ({"tools": [{"type": "mcp", "server_label": "a"}]}, "tools.0"),
            ({"type": "transcription"}, "type"),
            ({"prompt": {"id": "pmpt_1"}}, "prompt"),
            ({"output_modalities": []}, "output_modalities"),
            ({"output_modalities": [["audio"], {}]}, "output_modalities"),
        ],
    )
    async def test_what_is_not_offered_is_refused_by_name(self, client: Client, session: Any, param: str) -> None:
        await client.say("session.update", event_id="e7", session={"type": "realtime", **session})
        error = await client.error()
        assert error["event_id"] == "e7"
        assert error["type"] == "invalid_request_error"
        assert param in error["param"]

    def test_a_choice_of_tools(self) -> None:
        settings = patched(Settings(), {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "weather"}})
        assert settings.tool_choice == "weather"
        assert patched(settings, {"tool_choice": "required"}).tool_choice == "required"


class TestItems:
    async def test_in_any_order(self, client: Client, engines: Engines) -> None:
        await client.write("second", id="item_2")
        await client.write("third", id="item_3")
        content = [{"type": "input_text", "text": "first"}]
        first = {"type": "message", "role": "system", "id": "item_1", "content": content}
        await client.say("conversation.item.create", item=first, previous_item_id="root")
        assert (await client.until("conversation.item.added"))[-1]["previous_item_id"] is None
        await client.say("conversation.item.delete", item_id="item_3")
        await client.until("conversation.item.deleted")
        await answer(client)
        said = [(message.role, message.content) for message in engines.asked[0].messages[1:]]
        assert said == [("system", "first"), ("user", "second")]

    @pytest.mark.parametrize(
        ("event", "code"),
        [
            ({"type": "conversation.item.delete", "item_id": "item_x"}, "item_not_found"),
            ({"type": "conversation.item.retrieve", "item_id": "item_x"}, "item_not_found"),
            ({"type": "conversation.item.truncate", "item_id": "item_x", "content_index": 0, "audio_end_ms": 0},
             "item_not_found"),
            ({"type": "response.cancel"}, "response_cancel_not_active"),
            ({"type": "output_audio_buffer.clear"}, "api.bad_realtime_event"),
            ({"type": "conversation.item.create", "item": {"type": "mcp_list_tools"}}, "api.bad_realtime_event"),
            ({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": []}},
             "api.bad_realtime_event"),
            ({"type": "input_audio_buffer.append", "audio": "???"}, "api.bad_realtime_event"),
            ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "api.bad_realtime_event"),
            ({"type": "response.create", "response": {"metadata": {"a": 1}}}, "api.invalid_parameter"),
        ],
    )  # fmt: skip
    async def test_what_cannot_be_done_is_told(self, client: Client, event: dict[str, Any], code: str) -> None:
        await client.raw(json.dumps({**event, "event_id": "mine"}))
        error = await client.error()
        assert (error["code"], error["event_id"]) == (code, "mine")

    async def test_two_of_one_name_are_refused(self, client: Client) -> None:
        await client.write("one", id="item_1")
        content = [{"type": "input_text", "text": "two"}]
        item = {"type": "message", "role": "user", "id": "item_1", "content": content}
        await client.say("conversation.item.create", item=item)
        assert (await client.error())["param"] == "item.id"

    async def test_sound_as_an_item(self, client: Client, engines: Engines) -> None:
        import base64

        content = [{"type": "input_audio", "audio": base64.b64encode(quiet(1.0)).decode()}]
        await client.say("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await answer(client)
        assert engines.asked[0].messages[-1].content == "What is the capital of France?"
        assert len(engines.transcribed[0].pcm) == 32_000


class TestResponses:
    async def test_in_writing(self, client: Client, engines: Engines) -> None:
        await client.write("What is the capital of France?")
        events = await answer(client)
        assert kinds(events) == [
            "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added",
            "response.output_text.delta", "response.output_text.done", "response.content_part.done",
            "response.output_item.done", "conversation.item.done", "response.done",
        ]  # fmt: skip
        response = done(events)
        assert response["status"] == "completed"
        assert response["output"][0]["content"] == [{"type": "output_text", "text": "Paris is the capital of France."}]
        assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (10, 5)
        assert engines.asked[0].lane == "chat"
        limits = (await client.until("rate_limits.updated"))[-1]["rate_limits"]
        assert limits[0]["remaining"] == limits[0]["limit"] - 1
        await client.write("And of Italy?")
        await answer(client)
        assert [message.role for message in engines.asked[1].messages] == ["system", "user", "assistant", "user"]

    async def test_one_more_without_a_question(self, client: Client, engines: Engines) -> None:
        await client.write("Count!")
        await answer(client)
        await answer(client)
        assert [message.content for message in engines.asked[1].messages[1:]] == [
            "Count!", "Paris is the capital of France.", "Go on."
        ]  # fmt: skip

    async def test_each_is_a_turn_for_those_who_watch(self, client: Client, ctx: Context) -> None:
        async with ctx.subscribe(TurnFinished, limit=9, overflow=Overflow.FAIL) as box:
            await client.write("Where?")
            await answer(client)
            async for fact in box:
                assert fact.summary.outcome == "answered"
                assert (fact.summary.heard, fact.summary.said) == ("Where?", "Paris is the capital of France.")
                assert fact.summary.source.startswith("realtime-")
                break

    async def test_one_at_a_time_in_the_conversation(self, client: Client, engines: Engines) -> None:
        engines.go_on.clear()
        await client.say("response.create")
        await client.until("response.output_text.delta")
        error = (await answer(client))[-1]["error"]
        assert error["code"] == "conversation_already_has_active_response"
        engines.go_on = asyncio.Event()
        engines.go_on.set()
        aside = await answer(client, conversation="none", input=[], metadata={"topic": "aside"})
        assert done(aside)["metadata"] == {"topic": "aside"}

    async def test_cancelled(self, client: Client, engines: Engines) -> None:
        engines.go_on.clear()
        await client.say("response.create")
        events = await client.until("response.output_text.delta")
        await client.say("response.cancel", response_id="resp_other")
        assert (await client.error())["code"] == "response_cancel_not_active"
        await client.say("response.cancel", response_id=events[-1]["response_id"])
        response = done(await client.until("response.done"))
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert response["output"][0]["content"][0]["text"] == "Paris is"
        engines.go_on.set()
        assert done(await answer(client))["status"] == "completed"

    async def test_cancelled_before_its_first_step(self, client: Client) -> None:
        await client.say("response.create")
        await client.say("response.cancel")
        assert done(await client.until("response.done"))["status"] == "cancelled"

    async def test_cancelled_from_outside(self, client: Client, engines: Engines, door: Door) -> None:
        engines.go_on.clear()
        await client.say("response.create")
        await client.until("response.output_text.delta")
        (turn_id,) = door.recent._underway
        assert door.recent.cancel("owner", turn_id) or door.recent.cancel(OWNER_PRINCIPAL.profile, turn_id)
        assert done(await client.until("response.done"))["status"] == "cancelled"

    async def test_outside_of_the_conversation(self, client: Client, engines: Engines) -> None:
        await client.write("Remember the milk.", id="item_milk")
        message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Of what kind?"}]}
        events = await answer(
            client,
            conversation="none",
            input=[{"type": "item_reference", "id": "item_milk"}, message],
            instructions="Classify.",
            metadata={"topic": "kind"},
        )
        assert "conversation.item.added" not in kinds(events)
        response = done(events)
        assert (response["metadata"], response["conversation_id"]) == ({"topic": "kind"}, None)
        said = [message.content for message in engines.asked[0].messages]
        assert said == ["Classify.", "Remember the milk.", "Of what kind?"]

    async def test_a_function_is_called(self, client: Client, engines: Engines) -> None:
        await client.update(tools=[WEATHER], tool_choice="required")
        engines.said, engines.calls = [], (ToolCall(id="call_1", name="weather", arguments='{"city":"Paris"}'),)
        await client.write("How is the weather in Paris?")
        events = await answer(client)
        assert kinds(events) == [
            "response.created", "response.output_item.added", "conversation.item.added",
            "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "response.output_item.done", "conversation.item.done", "response.done",
        ]  # fmt: skip
        (call,) = done(events)["output"]
        assert (call["name"], call["call_id"], call["arguments"]) == ("weather", "call_1", '{"city":"Paris"}')
        assert engines.asked[0].tool_choice == "required"
        engines.said, engines.calls = ["It is sunny."], ()
        output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
        await client.say("conversation.item.create", item=output)
        await answer(client, tool_choice="none")
        called, returned = engines.asked[1].messages[-2:]
        assert called.tool_calls[0].arguments == '{"city":"Paris"}'
        assert (returned.role, returned.content, returned.tool_call_id) == ("tool", "sunny", "call_1")

    async def test_a_model_that_dies_goes_on(self, client: Client, engines: Engines) -> None:
        engines.said = ["Paris", EngineDied("gone"), " again"]
        assert done(await answer(client))["output"][0]["content"][0]["text"] == "Paris again"
        assert engines.asked[1].prefix == "Paris"

    async def test_a_failure_is_the_responses_end(self, client: Client, engines: Engines) -> None:
        engines.said = ["Paris", PromptTooLong("too long")]
        response = done(await answer(client))
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"] == "context_length_exceeded"
        assert response["output"][0]["status"] == "incomplete"

    async def test_the_end_of_the_tokens(self, client: Client, engines: Engines) -> None:
        engines.finish = "length"
        response = done(await answer(client, max_output_tokens=5))
        assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert engines.asked[0].max_tokens == 5

    async def test_only_so_many_a_minute(self, client: Client, door: Door) -> None:
        taken = sessions_of(door.app)
        while taken.take(OWNER_PRINCIPAL).allowed:
            pass
        error = (await answer(client))[-1]["error"]
        assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")

    async def test_none_begins_when_solo_stops(self, client: Client, ctx: Context) -> None:
        ctx.stopping.set()
        assert (await answer(client))[-1]["error"]["code"] == "api.stopping"


class TestLine:
    async def test_a_client_that_says_nothing_is_let_go(self, client: Client) -> None:
        await asyncio.sleep(sessions.IDLE_S + 1)
        assert kinds(await client.until("closed")) == ["error", "closed"]
        assert client.told[-1]["error"]["code"] == "session_expired"

    async def test_a_client_that_takes_nothing_is_let_go(
        self, client: Client, engines: Engines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.reads.clear()
        await client.say("response.create")
        await asyncio.sleep(lines.STALLED_S + 1)
        client.reads.set()
        assert (await client.until("closed"))[-1]["code"] == 1013

    async def test_no_more_is_made_than_is_taken(
        self, client: Client, engines: Engines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lines, "SOFT_BYTES", 4096)
        engines.said = ["word "] * 1000
        client.reads.clear()
        await client.say("response.create")
        await asyncio.sleep(1.0)
        assert 10 < engines.pieces < 500
        client.reads.set()
        await client.until("response.done")
        assert engines.pieces == 1000

    async def test_only_so_many_sessions(self, door: Door, engines: Engines) -> None:
        with_all = [door.connected() for _ in range(MOST_EACH)]
        for one in with_all:
            await (await one.__aenter__()).until("session.created")
        async with door.connected() as client:
            events = await client.until("closed")
            assert events[0]["error"]["code"] == "api.too_many_realtime"
            assert events[-1]["code"] == 1013
        for one in with_all:
            await one.__aexit__(None, None, None)
        async with door.connected() as client:
            await client.until("session.created")

    async def test_a_secret_brings_its_settings(self, door: Door, engines: Engines) -> None:
        settings = patched(Settings(), {"instructions": "Be brief.", "output_modalities": ["text"]})
        sessions_of(door.app).promise("ticket_1", settings, "solo", 1e12)
        for instructions in ("Be brief.", Settings().instructions):
            async with door.connected(headers=(("authorization", "Bearer ticket_1"),)) as client:
                session = (await client.until("session.created"))[-1]["session"]
                assert session["instructions"] == instructions


class TestNamesOfBeforeGA:
    async def test_understood_from_everybody(self, client: Client, engines: Engines) -> None:
        updated = await client.update(
            modalities=["text", "audio"], voice="alloy", input_audio_format="g711_ulaw", turn_detection=None,
            input_audio_transcription={"model": "whisper-1"}, max_response_output_tokens=99, temperature=0.8,
        )  # fmt: skip
        assert updated["output_modalities"] == ["audio"]
        assert updated["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert updated["audio"]["input"]["turn_detection"] is None
        assert updated["audio"]["input"]["transcription"]["model"] == "whisper-1"
        content = [{"type": "text", "text": "Paris."}]
        item = {"type": "message", "role": "assistant", "content": content}
        await client.say("conversation.item.create", item=item)
        assert (await client.until("conversation.item.done"))[-1]["item"]["content"][0]["type"] == "output_text"
        await answer(client, modalities=["text"])
        assert (engines.asked[0].max_tokens, engines.asked[0].sampling.temperature) == (99, 0.8)

    async def test_spoken_to_those_who_ask(self, door: Door, engines: Engines) -> None:
        async with door.connected(old=True) as client:
            created = await client.until("conversation.created")
            assert created[0]["session"]["modalities"] == ["audio", "text"]
            assert created[0]["session"]["input_audio_format"] == "pcm16"
            await client.write("Where?")
            events = await answer(client)
            assert kinds(events) == [
                "response.created", "response.output_item.added", "conversation.item.created",
                "response.content_part.added", "response.audio_transcript.delta", "response.audio.delta",
                "response.audio.done", "response.audio_transcript.done", "response.content_part.done",
                "response.output_item.done", "response.done",
            ]  # fmt: skip
            assert done(events)["output"][0]["content"][0]["type"] == "audio"
            events = await answer(client, modalities=["text"])
            assert "response.text.delta" in kinds(events)
