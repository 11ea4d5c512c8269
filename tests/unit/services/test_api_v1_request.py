"""Requests for chat completions as questions to the models, and what is refused by name."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from services.messages.language import Complete, Tool
from solo.supervision import Context
from tests.stubs.llm_house import door

HI: dict[str, Any] = {"role": "user", "content": "Hi"}
PNG = b"\x89PNG\r\n\x1a\n...."
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object"}


async def asked(ctx: Context, **body: Any) -> Complete:
    async with door(ctx) as (client, models):
        response = await client.post("/v1/chat/completions", json={"messages": [HI], **body})
    assert response.status_code == 200, response.text
    question: Complete = models.asked[0]
    return question


class TestTaken:
    async def test_defaults_are_those_of_openai(self, ctx: Context) -> None:
        question = await asked(ctx)
        assert (question.role, question.model, question.lane, question.cached) == ("dialog", "", "chat", None)
        assert (question.sampling.temperature, question.sampling.top_p, question.sampling.seed) == (1.0, 1.0, None)
        assert question.form is None and question.tools == () and question.tool_choice == "auto"
        assert question.logprobs is None and question.stop == () and question.max_tokens == 512

    @pytest.mark.parametrize(
        ("model", "role", "name"),
        [
            *((name, "dialog", "") for name in ("solo", "default", "")),
            ("fast", "fast", ""),
            *((name, "dialog", name) for name in ("SmolLM2", "http://h/v1#m")),
        ],
    )
    async def test_model_names(self, ctx: Context, model: str, role: str, name: str) -> None:
        question = await asked(ctx, model=model)
        assert (question.role, question.model) == (role, name)

    async def test_numbers(self, ctx: Context) -> None:
        known = {"temperature": 0.3, "top_k": 5, "min_p": 0.1, "repeat_penalty": 1.2, "seed": -3}
        known |= {"presence_penalty": -1, "frequency_penalty": 2}
        question = await asked(ctx, **known, top_p=0, max_tokens=7, max_completion_tokens=9)
        assert question.sampling.model_dump() == {**known, "top_p": pytest.approx(0, abs=1e-5)}
        assert question.max_tokens == 9

    async def test_null_is_left_out(self, ctx: Context) -> None:
        nothing = dict.fromkeys(("temperature", "stop", "tools", "seed", "max_tokens", "logprobs", "n", "solo"))
        assert (await asked(ctx, **nothing)).sampling.temperature == 1.0

    async def test_what_openai_has_besides_is_ignored(self, ctx: Context) -> None:
        await asked(ctx, user="me", metadata={"a": "b"}, store=True, service_tier="auto", logit_bias={"1": 2}, n=1)

    @pytest.mark.parametrize("stop", ["a", ["a"]])
    async def test_stop(self, ctx: Context, stop: Any) -> None:
        assert (await asked(ctx, stop=stop)).stop == ("a",)

    async def test_messages(self, ctx: Context) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": URL}}]
        call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        question = await asked(
            ctx,
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [*parts, {"type": "text", "text": "b"}], "name": "me"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": "a cat", "tool_call_id": "1"},
            ],
        )
        assert [message.role for message in question.messages] == ["system", "user", "assistant", "tool"]
        assert question.messages[1].content == "a\nb" and question.messages[1].images == (PNG,)
        assert question.messages[2].tool_calls[0].name == "look"
        assert question.messages[3].tool_call_id == "1"

    async def test_a_last_message_of_the_assistant_is_the_answers_beginning(self, ctx: Context) -> None:
        question = await asked(ctx, messages=[HI, {"role": "assistant", "content": "Once "}], solo={"prefix": "upon"})
        assert len(question.messages) == 1 and question.prefix == "Once upon"

    @pytest.mark.parametrize(
        ("form", "schema"),
        [
            ({"type": "json_object"}, {}),
            ({"type": "json_object", "schema": SCHEMA}, SCHEMA),
            ({"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}, SCHEMA),
        ],
    )
    async def test_forms(self, ctx: Context, form: Any, schema: Any) -> None:
        found = (await asked(ctx, response_format=form)).form
        assert found is not None and found.json_schema == schema and found.grammar is None

    async def test_tools(self, ctx: Context) -> None:
        question = await asked(ctx, tools=[LOOK], tool_choice={"type": "function", "function": {"name": "look"}})
        assert question.tools == (Tool(name="look", parameters={"type": "object"}),)
        assert question.tool_choice == "look"
        assert (await asked(ctx, tools=[LOOK], tool_choice="required")).tool_choice == "required"

    async def test_solos_own_words(self, ctx: Context) -> None:
        own = {"role": "logic", "task": "draft", "lane": "batch", "cached": True, "grammar": 'root ::= "a"'}
        question = await asked(ctx, model="tiny", solo=own)
        assert (question.role, question.task, question.lane, question.cached) == ("logic", "draft", "batch", True)
        assert question.model == "tiny" and question.form is not None and question.form.grammar == 'root ::= "a"'

    async def test_logprobs_without_others(self, ctx: Context) -> None:
        assert (await asked(ctx, logprobs=True)).logprobs == 0


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": "5"}, "max_tokens"),
    ({"temperature": True}, "temperature"),
    ({"stream": "yes"}, "stream"),
    ({"messages": []}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "pope", "content": ""}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
    ({"messages": [{**HI, "tool_calls": [{"id": "1", "function": {"name": "a"}}]}]}, "messages.0.tool_calls"),
    ({"temperature": 99}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": "warm"}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"repeat_penalty": 0}, "repeat_penalty"),
    ({"presence_penalty": 3}, "presence_penalty"),
    ({"seed": 2**64}, "seed"),
    ({"seed": 0.5}, "seed"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 10**30}, "max_tokens"),
    ({"n": 2}, "n"),
    ({"stop": ["a"] * 17}, "stop"),
    ({"stop": ""}, "stop.0"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"tools": [{"type": "function", "function": {"name": "no blanks"}}]}, "tools.0.function.name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [LOOK], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
    ({"tools": [LOOK], "tool_choice": ["look"]}, "tool_choice"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": {"type": "json_object"}, "solo": {"grammar": "x"}}, "solo.grammar"),
    ({"solo": {"rôle": 1}}, "solo.rôle"),
    ({"solo": {"lane": "fast"}}, "solo.lane"),
    ({"model": "x" * 1001}, "model"),
    ({"model": 7}, "model"),
    ({"stream": "perhaps"}, "stream"),
]


@pytest.mark.parametrize(
    ("body", "param"), REFUSED, ids=[f"{param}-{index}" for index, (_, param) in enumerate(REFUSED)]
)
async def test_is_refused_by_name(ctx: Context, body: dict[str, Any], param: str) -> None:
    async with door(ctx) as (client, models):
        response = await client.post("/v1/chat/completions", json={"messages": [HI], **body})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"] and error["code"]
    assert not models.asked


@pytest.mark.parametrize(
    "url",
    [
        *("http://169.254.169.254/", "file:///etc/passwd", ""),
        *("data:image/png,abc", "data:image/png;base64,%%%", "data:text/html;base64,AAAA"),
        "data:image/gif;base64," + base64.b64encode(b"GIF89a").decode(),
    ],
)
async def test_pictures_that_are_not_taken(ctx: Context, url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    async with door(ctx) as (client, _):
        response = await client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages.0.content.0"
