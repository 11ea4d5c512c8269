"""OpenAI's own client against a real daemon with the packaged model: plain and streaming, with and without asyncio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.daemon import Daemon, daemon

HI: Any = [{"role": "user", "content": "What is the capital of France?"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {"name": "weather", "description": "The weather of a city.", "parameters": SCHEMA}
TOOL: Any = {"type": "function", "function": WEATHER}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("openai") / "state", LLM__SLOTS="2") as running:
        yield running


def known(running: Daemon) -> dict[str, Any]:
    return {"base_url": f"http://127.0.0.1:{running.port}/v1", "api_key": running.key, "max_retries": 0, "timeout": 60}


@pytest.fixture(scope="module")
def client(running: Daemon) -> Iterator[OpenAI]:
    with httpx2.Client(trust_env=False) as http, OpenAI(**known(running), http_client=http) as client:
        yield client


@pytest.fixture
async def later(running: Daemon) -> AsyncIterator[AsyncOpenAI]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        async with AsyncOpenAI(**known(running), http_client=http) as client:
            yield client


class TestModels:
    def test_listed_and_one(self, client: OpenAI) -> None:
        names = [model.id for model in client.models.list()]
        assert names[:2] == ["solo", "dialog"]
        assert client.models.retrieve("solo").object == "model"

    def test_none_of_that_name(self, client: OpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as raised:
            client.models.retrieve("gpt-17")
        assert raised.value.code == "model_not_found"


class TestChat:
    def test_whole(self, client: OpenAI) -> None:
        answer = client.chat.completions.create(model="solo", messages=HI, max_tokens=8, temperature=0)
        assert answer.choices[0].message.content
        assert answer.usage is not None and 0 < answer.usage.completion_tokens <= 8

    def test_streamed_with_usage(self, client: OpenAI) -> None:
        asked: Any = {"model": "solo", "messages": HI, "max_tokens": 8, "temperature": 0}
        chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == client.chat.completions.create(**asked).choices[0].message.content
        assert chunks[-1].usage is not None and chunks[-1].choices == []

    def test_in_a_form(self, client: OpenAI) -> None:
        answer = client.chat.completions.create(model="solo", messages=HI, max_tokens=40, response_format=FORM)
        assert set(json.loads(answer.choices[0].message.content or "")) == {"city"}

    def test_a_tool(self, client: OpenAI) -> None:
        asked: Any = {"model": "solo", "messages": HI, "max_tokens": 40, "tools": [TOOL], "tool_choice": "required"}
        (choice,) = client.chat.completions.create(**asked).choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls
        (call,) = choice.message.tool_calls
        assert call.type == "function" and call.function.name == "weather"
        assert set(json.loads(call.function.arguments)) == {"city"}


class TestCompletions:
    def test_whole(self, client: OpenAI) -> None:
        answer = client.completions.create(model="solo", prompt="One, two, three,", max_tokens=6, temperature=0)
        (choice,) = answer.choices
        assert "four" in choice.text and choice.finish_reason == "length"
        assert answer.usage is not None and answer.usage.completion_tokens == 6

    def test_streamed(self, client: OpenAI) -> None:
        asked: Any = {"model": "solo", "prompt": ["One, two, three,", "A, B, C,"], "max_tokens": 5, "temperature": 0}
        texts = ["", ""]
        for chunk in client.completions.create(**asked, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.text
        assert texts == [choice.text for choice in client.completions.create(**asked).choices]

    def test_logprobs_and_echo(self, client: OpenAI) -> None:
        asked: Any = {"model": "solo", "prompt": "One, two, three,", "max_tokens": 3, "temperature": 0}
        (choice,) = client.completions.create(**asked, logprobs=2).choices
        assert choice.logprobs is not None
        assert "".join(choice.logprobs.tokens or ()) == choice.text
        assert [len(top) for top in choice.logprobs.top_logprobs or ()] == [2, 2, 2]
        (echoed,) = client.completions.create(**asked, echo=True).choices
        assert echoed.text == "One, two, three," + choice.text

    def test_a_known_beginning_is_not_evaluated_again(self, client: OpenAI) -> None:
        story = "Once upon a time there was a fox who lived beside a river and read books. "
        asked: Any = {"model": "solo", "max_tokens": 1, "extra_body": {"seed": 1}}
        for prompt in (story, story + "One day"):
            usage = client.completions.create(**asked, prompt=prompt).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        assert (usage.prompt_tokens_details.cached_tokens or 0) >= 10

    def test_control_tokens_are_text(self, client: OpenAI) -> None:
        usage = client.completions.create(model="solo", prompt="<|im_end|>", max_tokens=1).usage
        assert usage is not None and usage.prompt_tokens > 2

    def test_nothing_is_cut(self, client: OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            client.completions.create(model="solo", prompt="word " * 5000, max_tokens=1)
        assert raised.value.code == "context_length_exceeded"

    @pytest.mark.parametrize("more", [{"prompt": [1, 2]}, {"n": 2}, {"suffix": "x"}, {"prompt": ["x"] * 9}])
    def test_refused(self, client: OpenAI, more: dict[str, Any]) -> None:
        asked: Any = {"model": "solo", "prompt": "Hi", **more}
        with pytest.raises(openai.BadRequestError) as raised:
            client.completions.create(**asked)
        assert raised.value.param == next(iter(more))


class TestResponses:
    def test_a_conversation(self, client: OpenAI) -> None:
        asked: Any = {"model": "solo", "max_output_tokens": 8, "temperature": 0}
        first = client.responses.create(**asked, input="My name is Ada.", instructions="Be brief.")
        assert first.output_text and first.status in {"completed", "incomplete"}
        second = client.responses.create(**asked, input="And yours?", previous_response_id=first.id)
        assert first.usage is not None and second.usage is not None
        assert second.usage.input_tokens > first.usage.input_tokens
        assert client.responses.retrieve(second.id).output_text == second.output_text
        (item,) = client.responses.input_items.list(second.id)
        assert item.type == "message" and item.role == "user"
        client.responses.delete(first.id)

    def test_streamed(self, client: OpenAI) -> None:
        text = ""
        with client.responses.stream(model="solo", input="Hello!", max_output_tokens=200, temperature=0) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    text += event.delta
            final = stream.get_final_response()
        assert text and final.output_text == text and final.usage is not None

    def test_a_function(self, client: OpenAI) -> None:
        asked: Any = {"model": "solo", "max_output_tokens": 40, "tools": [{"type": "function", **WEATHER}]}
        answer = client.responses.create(**asked, input="Weather in Paris?", tool_choice="required")
        call = answer.output[-1]
        assert call.type == "function_call" and set(json.loads(call.arguments)) == {"city"}
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        assert client.responses.create(**asked, input=[result], previous_response_id=answer.id).usage is not None


class TestEmbeddings:
    @pytest.mark.parametrize("form", ["float", "base64"])
    def test_of_a_language_model(self, client: OpenAI, form: Any) -> None:
        made = client.embeddings.create(model="solo", input=["a fox", "a dog"], encoding_format=form)
        assert [entry.index for entry in made.data] == [0, 1] and made.usage.prompt_tokens > 0

    def test_of_the_memory(self, client: OpenAI) -> None:
        entries = {model.id: model.to_dict() for model in client.models.list()}
        (name,) = [one for one, entry in entries.items() if entry["meta"].get("role") == "embedder"]  # type: ignore
        made = client.embeddings.create(model=name, input="a fox")
        assert made.model == name
        assert sum(number * number for number in made.data[0].embedding) == pytest.approx(1, abs=1e-3)


def test_order_by_a_query(client: OpenAI) -> None:
    body = {"query": "Where do foxes live?", "documents": ["Stocks fell.", {"text": "A fox lives in a den."}]}
    answer: Any = client.post("/rerank", cast_to=object, body=body)
    assert answer["results"][0]["index"] == 1 and answer["meta"]["method"] == "cosine"


def test_a_wrong_key(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        client.with_options(api_key="sk-wrong").models.list()
    assert raised.value.code == "invalid_api_key"


class TestLater:
    """With asyncio."""

    async def test_chat(self, later: AsyncOpenAI) -> None:
        asked: Any = {"model": "solo", "messages": HI, "max_tokens": 8, "temperature": 0}
        stream = await later.chat.completions.create(**asked, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == (await later.chat.completions.create(**asked)).choices[0].message.content

    async def test_completions_and_vectors(self, later: AsyncOpenAI) -> None:
        answer = await later.completions.create(model="solo", prompt="One, two,", max_tokens=3)
        assert answer.object == "text_completion"
        assert len((await later.embeddings.create(model="solo", input="a fox")).data[0].embedding) > 10

    async def test_responses(self, later: AsyncOpenAI) -> None:
        async with later.responses.stream(model="solo", input="Hello!", max_output_tokens=4) as stream:
            kinds = [event.type async for event in stream]
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert kinds[-1] in {"response.completed", "response.incomplete"}

    async def test_who_leaves_is_not_waited_for(self, later: AsyncOpenAI, running: Daemon) -> None:
        for _ in range(4):  # more than there are slots
            stream = await later.chat.completions.create(model="solo", messages=HI, max_tokens=1500, stream=True)
            await anext(aiter(stream))
            await stream.close()
        answer = await later.with_options(timeout=20).chat.completions.create(model="solo", messages=HI, max_tokens=2)
        assert answer.usage is not None


def test_state_holds_no_answers(running: Daemon) -> None:
    """Responses are kept in memory alone."""
    assert not [path for path in Path(running.state_dir).glob("**/*response*") if path.is_file()]
