"""Anthropic's own client against a real daemon with the packaged model: plain and streaming, with and without
asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic

from tests.daemon import Daemon, daemon

HI: Any = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER: Any = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
ASKED: Any = {"model": "solo", "max_tokens": 8, "messages": HI, "extra_body": {"temperature": 0}}
TOOL: Any = {**ASKED, "max_tokens": 60, "tools": [WEATHER], "tool_choice": {"type": "tool", "name": "weather"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("anthropic") / "state", LLM__SLOTS="2") as running:
        yield running


def known(running: Daemon) -> dict[str, Any]:
    return {"base_url": f"http://127.0.0.1:{running.port}", "api_key": running.key, "max_retries": 0, "timeout": 60}


@pytest.fixture(scope="module")
def client(running: Daemon) -> Iterator[Anthropic]:
    with httpx2.Client(trust_env=False) as http, Anthropic(**known(running), http_client=http) as client:
        yield client


@pytest.fixture
async def later(running: Daemon) -> AsyncIterator[AsyncAnthropic]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        async with AsyncAnthropic(**known(running), http_client=http) as client:
            yield client


class TestMessages:
    def test_whole(self, client: Anthropic) -> None:
        message = client.messages.create(**ASKED, system="Be brief.")
        (block,) = message.content
        assert block.type == "text" and block.text
        assert message.stop_reason in {"end_turn", "max_tokens"} and message.role == "assistant"
        assert 0 < message.usage.output_tokens <= 8

    def test_a_beginning_of_the_answer(self, client: Anthropic) -> None:
        said: Any = [*HI, {"role": "assistant", "content": "The capital of France is"}]
        (block,) = client.messages.create(**{**ASKED, "messages": said}).content
        assert block.type == "text" and "Paris" in block.text and not block.text.startswith("The capital")

    def test_streamed(self, client: Anthropic) -> None:
        with client.messages.stream(**ASKED) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        whole = client.messages.create(**ASKED)
        assert [block.to_dict() for block in final.content] == [{"type": "text", "text": text}]
        assert [block.to_dict() for block in whole.content] == [{"type": "text", "text": text}]
        assert final.stop_reason == whole.stop_reason
        assert final.usage.output_tokens == whole.usage.output_tokens
        read = final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0)
        assert read == whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0) > 10

    def test_a_tool_and_its_result(self, client: Anthropic) -> None:
        message = client.messages.create(**TOOL)
        use = message.content[-1]
        assert message.stop_reason == "tool_use" and use.type == "tool_use"
        assert use.name == "weather" and set(use.input) == {"city"}
        said: Any = [
            *HI,
            {"role": "assistant", "content": [use.to_dict()]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]},
        ]
        assert client.messages.create(**{**ASKED, "messages": said, "tools": [WEATHER]}).usage.output_tokens > 0

    def test_a_tool_streamed(self, client: Anthropic) -> None:
        with client.messages.stream(**TOOL) as stream:
            pieces = [event.partial_json for event in stream if event.type == "input_json"]
            final = stream.get_final_message()
        use = final.content[-1]
        assert "".join(pieces) and use.type == "tool_use" and set(use.input) == {"city"}
        assert final.stop_reason == "tool_use"

    def test_counted(self, client: Anthropic) -> None:
        counted = client.messages.count_tokens(model="solo", messages=HI, system="Be brief.")
        more = client.messages.count_tokens(model="solo", messages=HI, system="Be brief.", tools=[WEATHER])
        message = client.messages.create(**ASKED, system="Be brief.")
        usage = message.usage
        assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)
        assert more.input_tokens > counted.input_tokens


class TestErrors:
    def test_a_wrong_key(self, client: Anthropic) -> None:
        with pytest.raises(anthropic.AuthenticationError) as raised:
            client.with_options(api_key="sk-ant-wrong").messages.create(**ASKED)
        assert raised.value.type == "authentication_error"

    def test_no_such_model(self, client: Anthropic) -> None:
        with pytest.raises(anthropic.NotFoundError) as raised:
            client.messages.create(**{**ASKED, "model": "claude-17"})
        assert raised.value.type == "not_found_error" and raised.value.request_id

    def test_what_does_not_fit(self, client: Anthropic) -> None:
        with pytest.raises(anthropic.BadRequestError) as raised:
            client.messages.create(**{**ASKED, "messages": [{"role": "user", "content": "word " * 5000}]})
        assert raised.value.error_code == "llm.prompt_too_long"

    def test_before_the_first_event(self, client: Anthropic) -> None:
        with pytest.raises(anthropic.BadRequestError) as raised:
            client.messages.create(**{**ASKED, "max_tokens": 0}, stream=True)
        assert "max_tokens" in str(raised.value)


class TestLater:
    """With asyncio."""

    async def test_whole_and_streamed(self, later: AsyncAnthropic) -> None:
        async with later.messages.stream(**ASKED) as stream:
            text = "".join([piece async for piece in stream.text_stream])
        (block,) = (await later.messages.create(**ASKED)).content
        assert block.type == "text" and block.text == text

    async def test_a_tool(self, later: AsyncAnthropic) -> None:
        message = await later.messages.create(**TOOL)
        assert message.stop_reason == "tool_use"

    async def test_events_in_order(self, later: AsyncAnthropic) -> None:
        kinds = [event.type async for event in await later.messages.create(**ASKED, stream=True)]
        assert kinds[:2] == ["message_start", "content_block_start"]
        assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
        assert set(kinds[2:-3]) == {"content_block_delta"}

    async def test_who_leaves_is_not_waited_for(self, later: AsyncAnthropic) -> None:
        for _ in range(4):  # more than there are slots
            stream = await later.messages.create(**{**ASKED, "max_tokens": 1500}, stream=True)
            await anext(aiter(stream))
            await stream.close()
        assert (await later.with_options(timeout=20).messages.create(**ASKED)).usage.output_tokens > 0
