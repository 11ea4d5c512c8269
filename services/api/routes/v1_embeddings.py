"""OpenAI's embeddings: vectors of a language model, or of the memory's embedder where it is asked for by name."""

from __future__ import annotations

from fastapi import Request, Response

from services.api.documented import answers, takes
from services.api.doors import Doors
from services.api.house import House
from services.api.openai.answers import EmbeddingList
from services.api.openai.asking import DEFAULTS, ROLES
from services.api.openai.embedder import embedder_of, vectors_of
from services.api.openai.errors import OpenAIRoute
from services.api.openai.live import Whole
from services.api.openai.reading import read
from services.api.openai.vectors import EmbeddingsRequest
from services.api.policy import Policy

router = Doors(route_class=OpenAIRoute)
_WITHIN_S = 120.0


@router.door(
    "POST",
    "/v1/embeddings",
    policy=Policy("embed", rate="costly"),
    summary="Texts as vectors of a language model",
    responses=answers(EmbeddingList),
    openapi_extra=takes(EmbeddingsRequest, {"input": ["A tree", "A forest"]}),
)
async def embeddings(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, EmbeddingsRequest)
    named = asked.model not in DEFAULTS and asked.model not in ROLES

    async def make() -> bytes:
        if named and asked.model == await embedder_of(house.ctx):
            model, vectors = await vectors_of(house.ctx, asked.input)
            return asked.written(vectors, model, 0)  # it does not count tokens
        made = await house.ctx.request(asked.question(), within=_WITHIN_S)
        return asked.written(made.vectors, made.model, made.tokens)

    return Whole(request, make)
