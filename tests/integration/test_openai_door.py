"""OpenAI's API of a real daemon, with an engine that says words at a steady pace."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.daemon import Daemon, daemon, wait_for

HI = [{"role": "user", "content": "Tell me about the sea."}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    state: Path = tmp_path_factory.mktemp("door") / "state"
    with daemon(state, program=("tests.bench.relay_engine", "paced"), LLM__ENGINE="fake", LLM__SLOTS="8") as running:
        yield running


@pytest.fixture
def client(running: Daemon) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {running.key}"}
    base = f"http://127.0.0.1:{running.port}/v1"
    with httpx.Client(base_url=base, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def chunks(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def busy(running: Daemon) -> int:
    models = running.get("/api/llm/health").json()["models"]
    return sum(model["busy"] + model["waiting"] for model in models)


def test_a_stream(client: httpx.Client) -> None:
    body = {"messages": HI, "stream": True, "max_tokens": 20, "stream_options": {"include_usage": True}}
    with client.stream("POST", "/chat/completions", json=body) as response:
        assert response.status_code == 200
        *said, last = chunks(response.iter_lines())
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in said)
    assert text.split() == ["word"] * 20
    assert said[-1]["choices"][0]["finish_reason"] == "length"
    assert last["usage"]["completion_tokens"] == 20
    assert last["solo"]["role"] == "dialog" and last["solo"]["receipt"]["question"] > 0


def test_an_answer_at_once(client: httpx.Client) -> None:
    answer = client.post("/chat/completions", json={"messages": HI, "max_tokens": 3, "model": "fast"}).json()
    assert answer["choices"][0]["message"]["content"].split() == ["word"] * 3
    assert answer["solo"]["role"] == "fast"


def test_models_and_vectors(client: httpx.Client) -> None:
    names = [model["id"] for model in client.get("/models").json()["data"]]
    assert names[:2] == ["solo", "dialog"]
    assert client.get("/models/solo").json()["id"] == "solo"
    made = client.post("/embeddings", json={"input": ["a", "b"]}).json()
    assert [sum(number * number for number in entry["embedding"]) for entry in made["data"]] == pytest.approx([1, 1])


def test_a_model_that_is_not_there(client: httpx.Client) -> None:
    for stream in (True, False):
        answer = client.post("/chat/completions", json={"messages": HI, "model": "gpt-17", "stream": stream})
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "model_not_found"


def test_a_prompt_that_is_too_long(client: httpx.Client) -> None:
    long = [{"role": "user", "content": "word " * 9000}]
    answer = client.post("/chat/completions", json={"messages": long, "stream": True})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_streams_side_by_side(client: httpx.Client) -> None:
    """More than there are slots: the others wait for their turn."""
    texts: list[str] = []

    def ask() -> None:
        answer = client.post("/chat/completions", json={"messages": HI, "max_tokens": 10}).json()
        texts.append(answer["choices"][0]["message"]["content"])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text.split() for text in texts] == [["word"] * 10] * 16


@pytest.mark.parametrize("stream", [True, False])
def test_a_closed_socket_frees_its_slot(client: httpx.Client, running: Daemon, stream: bool) -> None:
    for _ in range(10):
        body = {"messages": HI, "max_tokens": 400, "stream": stream}
        if stream:
            with client.stream("POST", "/chat/completions", json=body) as response:
                said = chunks(response.iter_lines())  # kept, since an iterator that is dropped closes its response
                next(said)
                assert busy(running) == 1
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/chat/completions", json=body, timeout=0.2)
        # A whole answer takes 8 s.
        wait_for(lambda: busy(running) == 0, 2, "the slot to be free")
