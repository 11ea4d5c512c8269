"""Completions of bare text: what becomes of the request, and of its answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from services.messages.language import TokenLogprob
from services.messages.security import OWNER_PRINCIPAL
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.llm_house import delta, door, end


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/completions", json={"prompt": "One,", **body})


def events(response: httpx.Response) -> list[Any]:
    blocks = response.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]


async def test_text_goes_bare_to_the_model(ctx: Context) -> None:
    who = OWNER_PRINCIPAL.model_copy(update={"profile": "ada"})
    async with door(ctx, who=who) as (client, models):
        body = (await ask(client, model="fast", max_tokens=5, stop="x", temperature=0, top_p=0, seed=3)).json()
    (question,) = models.asked
    assert (question.prompt, question.messages, question.profile) == ("One,", (), "ada")
    assert (question.role, question.max_tokens, question.stop) == ("fast", 5, ("x",))
    assert (question.sampling.temperature, question.sampling.seed) == (0, 3)
    assert body["object"] == "text_completion" and body["id"].startswith("cmpl-")
    assert body["choices"] == [{"index": 0, "text": "Paris ✓", "logprobs": None, "finish_reason": "stop"}]
    assert body["usage"]["total_tokens"] == 9


async def test_several_prompts(ctx: Context) -> None:
    async with door(ctx) as (client, models):
        body = (await ask(client, prompt=["a", "b"], echo=True)).json()
    assert [question.prompt for question in models.asked] == ["a", "b"]
    assert [(choice["index"], choice["text"]) for choice in body["choices"]] == [(0, "aParis ✓"), (1, "bParis ✓")]
    assert body["usage"]["prompt_tokens"] == 12


async def test_streamed(ctx: Context) -> None:
    async with door(ctx) as (client, _):
        response = await ask(client, prompt=["a", "b"], stream=True, echo=True, stream_options={"include_usage": True})
    chunks = events(response)
    texts = ["", ""]
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == ["aParis ✓", "bParis ✓"]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert [chunk["usage"]["total_tokens"] for chunk in chunks if not chunk["choices"]] == [9, 9]
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert [reason for reason in reasons if reason] == ["stop", "stop"]


async def test_logprobs(ctx: Context) -> None:
    tokens = [TokenLogprob(token=text, logprob=-0.5, top=((text, -0.5), ("x", -2.0))) for text in ("Pa", "ris")]
    parts = [*(delta(token.token, logprobs=(token,)) for token in tokens), end()]
    async with door(ctx, parts=parts) as (client, models):
        (choice,) = (await ask(client, logprobs=2)).json()["choices"]
        streamed = events(await ask(client, logprobs=2, stream=True))
    assert models.asked[0].logprobs == 2
    assert choice["logprobs"]["tokens"] == ["Pa", "ris"]
    assert choice["logprobs"]["text_offset"] == [0, 2]
    assert choice["logprobs"]["top_logprobs"][0] == {"Pa": -0.5, "x": -2.0}
    said = [chunk["choices"][0]["logprobs"] for chunk in streamed if chunk["choices"][0]["logprobs"]]
    assert [place for one in said for place in one["text_offset"]] == [0, 2]


async def test_an_error_between_two_prompts_is_an_event(ctx: Context) -> None:
    async with door(ctx, parts=[delta("Pa"), 0.01, EngineDied("gone")]) as (client, _):
        *_, last = events(await ask(client, prompt=["a", "b"], stream=True))
    assert last["error"]["code"] == "engine.died"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt.0"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": ["x"] * 9}, "prompt"),
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"suffix": "end"}, "suffix"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"logprobs": 21}, "logprobs"),
        ({"temperature": 1e300}, "temperature"),
        ({"seed": 2**64}, "seed"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": "x" * 300}, "stop.0"),
        ({"echo": True, "logprobs": 1}, None),
    ],
)
async def test_refused_by_name(ctx: Context, body: dict[str, Any], param: str | None) -> None:
    async with door(ctx) as (client, models):
        response = await ask(client, **body)
    assert response.status_code == 400 and not models.asked
    assert response.json()["error"]["param"] == param
