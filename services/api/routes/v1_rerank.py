"""Passages in the order in which they answer a query, in the form that Jina and Cohere have made usual."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema

from services.api.documented import answers, takes
from services.api.doors import Doors
from services.api.house import House
from services.api.openai.answers import Ranking
from services.api.openai.asking import Asking
from services.api.openai.chunks import plain_json
from services.api.openai.embedder import vectors_of
from services.api.openai.errors import OpenAIRoute
from services.api.openai.live import Whole
from services.api.openai.reading import read
from services.api.openai.shapes import TEXT, array, one_of, thing
from services.api.policy import Policy
from services.messages.reranking import MOST_TEXTS, Rerank
from solo.bus import NoHandler
from solo.supervision import Context

router = Doors(route_class=OpenAIRoute)
_MOST_DOCUMENTS = 256
_LONGEST_QUERY = 8192
"""Characters."""
_WITHIN_S = 60.0


def _text(value: object) -> object:
    if isinstance(value, dict):
        return value.get("text")
    return value


class RerankRequest(Asking):
    """`POST /v1/rerank`. What these APIs have beyond these fields is ignored."""

    model: str = Field(default="", max_length=1000)
    """Taken and not used: there is one reranker, or none."""
    query: str = Field(min_length=1, max_length=_LONGEST_QUERY)
    """What is looked for."""
    documents: Annotated[
        tuple[Annotated[str, BeforeValidator(_text)], ...],
        Field(min_length=1, max_length=_MOST_DOCUMENTS),
        WithJsonSchema(array(one_of(TEXT, thing({"text": TEXT})), 1, _MOST_DOCUMENTS)),
    ]
    """Texts, or objects with a `text`; long ones are cut."""
    top_n: int | None = Field(default=None, ge=1)
    """How many of the best are given back; left out: all."""
    return_documents: StrictBool = False
    """With their texts."""


@router.door(
    "POST",
    "/v1/rerank",
    policy=Policy("embed", rate="costly"),
    summary="Order passages by how well they answer a query",
    responses=answers(Ranking),
    openapi_extra=takes(RerankRequest, {"query": "tall trees", "documents": ["The sequoia", "The bus"]}),
)
async def rerank(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, RerankRequest)

    async def make() -> bytes:
        model, method, scores = await _scores(house.ctx, asked)
        best = sorted(range(len(scores)), key=lambda index: -scores[index])[: asked.top_n]
        results = []
        for index in best:
            result: dict[str, Any] = {"index": index, "relevance_score": scores[index]}
            if asked.return_documents:
                result["document"] = {"text": asked.documents[index]}
            results.append(result)
        return plain_json({"model": model, "results": results, "meta": {"method": method}}).encode()

    return Whole(request, make)


async def _scores(ctx: Context, asked: RerankRequest) -> tuple[str, str, list[float]]:
    """Model, method, and a score for each document: the reranker's, or where there is none the cosine between the
    query's vector and the document's, of the memory's embedder (-1 to 1)."""
    texts = asked.documents
    try:
        scores: list[float] = []
        for place in range(0, len(texts), MOST_TEXTS):
            some = Rerank(query=asked.query, texts=texts[place : place + MOST_TEXTS])
            found = await ctx.request(some, within=_WITHIN_S)
            scores.extend(found)
        return "reranker", "reranker", scores
    except NoHandler:
        model, (query, *vectors) = await vectors_of(ctx, (asked.query, *texts))
        return model, "cosine", [sum(map(operator.mul, query, vector)) for vector in vectors]
