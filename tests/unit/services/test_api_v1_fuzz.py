"""Whatever body a POST route of /v1 is sent, it is answered or refused in its envelope, never with a 5xx."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.messages.language import ToolCall
from solo.bus import Bus
from solo.supervision import Context
from tests.stubs.llm_house import delta, door, end

ROUNDS = int(os.environ.get("TEST_FUZZ_ROUNDS", "100"))
"""Bodies for each route; `make fuzz` sends many more."""
TOGETHER = 10
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
CALL = ToolCall(id="call_1", name="look", arguments='{"a": 1}')
TOOL = {"name": "look", "parameters": {"type": "object"}, "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", **TOOL}
MESSAGES = [{"role": "user", "content": "Hi"}]
RIGHT: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": MESSAGES, "model": "solo", "max_tokens": 3, "stop": "x", "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "auto", "logprobs": True, "seed": 1,
        "response_format": {"type": "json_object"}, "solo": {"role": "fast"},
    },
    "/v1/completions": {
        "prompt": "Hi", "model": "solo", "max_tokens": 3, "stop": ["x"], "logprobs": 2, "echo": False, "n": 1,
        "stream_options": {"include_usage": True}, "suffix": None, "seed": 1, "temperature": 0.5,
    },
    "/v1/responses": {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], "model": "solo",
        "tools": [FUNCTION], "tool_choice": {"type": "function", "name": "look"}, "instructions": "Be.",
        "text": {"format": {"type": "json_schema", "schema": {}}}, "previous_response_id": None, "store": True,
        "metadata": {"a": "b"}, "include": [], "background": False, "top_logprobs": 1,
    },
    "/v1/messages": {
        "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]},
                     {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]},
                     {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": PICTURE}}]}],
        "max_tokens": 3, "model": "solo", "system": [{"type": "text", "text": "x"}], "tools": [TOOL], "top_k": 1,
        "tool_choice": {"type": "tool", "name": "look"}, "stop_sequences": ["x"], "output_config": {"format": None},
    },
    "/v1/messages/count_tokens": {"messages": MESSAGES, "system": "x", "tools": [TOOL], "model": "solo"},
    "/v1/embeddings": {"input": ["x"], "model": "minilm", "encoding_format": "base64", "dimensions": None},
    "/v1/rerank": {"query": "x", "documents": ["y", {"text": "z"}], "top_n": 1, "return_documents": True},
}  # fmt: skip
TEXTS = st.text(max_size=8) | st.sampled_from(["\ud800", "\x00", "auto", "user", "function", "x" * 2000, "solo", "🦊"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308, -0.0])
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
WORDS = TEXTS | st.sampled_from(
    ["type", "role", "content", "name", "text", "id", "input", "schema", "format", "source"]
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)


def nested(chance: random.Random) -> Any:
    value: Any = 1
    for _ in range(chance.choice([90, 101, 400])):
        value = [value] if chance.random() < 0.5 else {"content": value}
    return value


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from places(part, (*at, name))


def changed(right: dict[str, Any], values: list[Any], chance: random.Random) -> bytes:
    """A right body with some of its places changed."""
    body = copy.deepcopy(right) | {"stream": chance.random() < 0.5}
    for place in chance.sample(list(places(right)), chance.randint(1, 3)):
        holder: Any = body
        try:
            for name in place[:-1]:
                holder = holder[name]
            if place:
                holder[place[-1]] = nested(chance) if chance.random() < 0.05 else copy.deepcopy(chance.choice(values))
        except (TypeError, LookupError):
            pass  # it was in what has been changed already
    return json.dumps(body).encode()


@st.composite
def bodies(draw: Any, right: dict[str, Any]) -> list[bytes]:
    """`TOGETHER` of them: values are dear to draw, so several bodies share them."""
    values = draw(st.lists(VALUES, min_size=3, max_size=6))
    chance = random.Random(draw(st.integers(0, 2**32)))
    anything = draw(st.binary(max_size=40)) or b"{"
    return [anything, *(changed(right, values, chance) for _ in range(TOGETHER - 1))]


@pytest.fixture(scope="module")
def ask() -> Iterator[Any]:
    """A POST to the application in this process."""
    with asyncio.Runner() as runner:
        ctx = Context(Bus(), "test", on_state=lambda _state, _note: None)
        parts = [delta("Pa"), delta("ris"), end(finish="tool_calls", tool_calls=(CALL,))]
        opened = door(ctx, parts=parts, embedder="minilm", reranks=True)
        client, played = runner.run(opened.__aenter__())

        async def post(path: str, content: bytes) -> httpx.Response:
            played.asked.clear()
            return await client.post(path, content=content)

        yield lambda path, content: runner.run(post(path, content))
        runner.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize("path", RIGHT)
def test_never_a_5xx(ask: Any, path: str) -> None:
    @settings(
        max_examples=-(-ROUNDS // TOGETHER), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(bodies(RIGHT[path]))
    def each(contents: list[bytes]) -> None:
        for content in contents:
            response = ask(path, content)
            if response.status_code == 200:
                continue
            assert response.status_code in {400, 404}, (content, response.text)
            error = response.json()["error"]
            if path.startswith("/v1/messages"):
                assert response.json()["type"] == "error" and {"type", "message"} <= set(error)
            else:
                assert set(error) == {"message", "type", "param", "code"}

    each()


@pytest.mark.parametrize("path", RIGHT)
def test_the_right_body_is_taken(ask: Any, path: str) -> None:
    """So that what is changed in it is read at all."""
    response = ask(path, json.dumps(RIGHT[path]).encode())
    assert response.status_code == 200, response.text
