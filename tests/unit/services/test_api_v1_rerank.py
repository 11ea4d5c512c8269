"""Passages by how well they answer, and vectors of the memory's embedder."""

from __future__ import annotations

from typing import Any

import pytest

from solo.supervision import Context
from tests.stubs.llm_house import door
from tests.unit.services.test_api_v1 import FILES, POOL

DOCUMENTS = ["a dog", {"text": "foxes, of course"}, "fox"]


async def test_by_the_reranker(ctx: Context) -> None:
    async with door(ctx, reranks=True, embedder="minilm") as (client, models):
        body = {"query": "fox?", "documents": DOCUMENTS, "top_n": 2, "return_documents": True}
        answer = (await client.post("/v1/rerank", json=body)).json()
    assert (answer["model"], answer["meta"]) == ("reranker", {"method": "reranker"})
    assert answer["results"] == [
        {"index": 1, "relevance_score": 0.16, "document": {"text": "foxes, of course"}},
        {"index": 0, "relevance_score": 0.05, "document": {"text": "a dog"}},
    ]
    assert models.asked[0].query == "fox?"


async def test_many_are_asked_in_parts(ctx: Context) -> None:
    async with door(ctx, reranks=True) as (client, models):
        body = {"query": "fox?", "documents": ["x" * (number % 7 + 1) for number in range(100)]}
        answer = (await client.post("/v1/rerank", json=body)).json()
    assert sorted(result["index"] for result in answer["results"]) == list(range(100))
    assert [len(question.texts) for question in models.asked] == [40, 40, 20]


async def test_by_the_embedder_where_there_is_no_reranker(ctx: Context) -> None:
    async with door(ctx, embedder="minilm") as (client, _):
        answer = (await client.post("/v1/rerank", json={"query": "fox?", "documents": DOCUMENTS})).json()
    assert (answer["model"], answer["meta"]) == ("minilm", {"method": "cosine"})
    assert [(result["index"], result["relevance_score"]) for result in answer["results"]] == [(1, 1), (2, 1), (0, 0)]


async def test_by_nobody(ctx: Context) -> None:
    async with door(ctx) as (client, _):
        response = await client.post("/v1/rerank", json={"query": "fox?", "documents": DOCUMENTS})
    assert response.status_code == 503


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": "x" * 9000}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["x"] * 257}, "documents"),
        ({"documents": [{"title": "x"}]}, "documents.0"),
        ({"documents": [3]}, "documents.0"),
        ({"top_n": 0}, "top_n"),
    ],
)
async def test_refused_by_name(ctx: Context, body: dict[str, Any], param: str) -> None:
    async with door(ctx, reranks=True) as (client, models):
        response = await client.post("/v1/rerank", json={"query": "x", "documents": ["y"], **body})
    assert response.status_code == 400 and not models.asked
    assert response.json()["error"]["param"] == param


async def test_vectors_of_the_memory(ctx: Context) -> None:
    async with door(ctx, embedder="minilm", pool=POOL, files=FILES) as (client, models):
        names = [entry["id"] for entry in (await client.get("/v1/models")).json()["data"]]
        made = (await client.post("/v1/embeddings", json={"input": ["fox", "dog"], "model": "minilm"})).json()
        other = (await client.post("/v1/embeddings", json={"input": "fox", "model": "tiny"})).json()
    assert names[-1] == "minilm" and made["model"] == "minilm" and other["model"] == "tiny"
    assert [entry["embedding"] for entry in made["data"]] == [[1.0, 0.0], [0.0, 1.0]]
    assert [type(question).__name__ for question in models.asked] == ["Embed", "EmbedTexts"]
