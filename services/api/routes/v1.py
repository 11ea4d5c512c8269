"""OpenAI's API: chat completions and embeddings for every client that speaks it."""

from __future__ import annotations

from fastapi import Request, Response

from services.api.doors import Doors
from services.api.house import House
from services.api.openai.chat import Streamed, answered
from services.api.openai.chat_request import ChatRequest
from services.api.openai.errors import NoSuchRoute, NotSupported, OpenAIRoute
from services.api.openai.live import Whole
from services.api.openai.reading import read
from services.api.openai.vectors import EmbeddingsRequest
from services.api.policy import PICTURES_BYTES, Policy
from services.api.routes import v1_models

router = Doors(route_class=OpenAIRoute)
_EMBED_WITHIN_S = 120.0
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@router.door(
    "POST",
    "/v1/chat/completions",
    policy=Policy("chat", owner="profile", rate="costly", body=PICTURES_BYTES),
    summary="Answer a conversation, whole or as server-sent events",
)
async def chat(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, ChatRequest)
    question = asked.question()
    model = asked.model or "solo"
    if asked.stream:
        return Streamed(request, house, question, model, usage=asked.stream_options.include_usage)
    return Whole(request, lambda: answered(house.ctx, question, model))


@router.door(
    "POST", "/v1/embeddings", policy=Policy("embed", rate="costly"), summary="Texts as vectors of a language model"
)
async def embeddings(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, EmbeddingsRequest)
    question = asked.question()

    async def make() -> bytes:
        return asked.answer(await house.ctx.request(question, within=_EMBED_WITHIN_S))

    return Whole(request, make)


@router.door(
    "POST",
    "/v1/completions",
    policy=Policy("chat", owner="profile", rate="costly"),
    summary="Not offered: text without a conversation",
)
async def completions(request: Request) -> Response:
    raise NotSupported(
        "Solo's models are asked with a conversation, not with bare text", hint="Use /v1/chat/completions."
    )


router.contain(v1_models.router)


@router.api_route("/v1/{rest:path}", methods=_METHODS, include_in_schema=False)
async def nothing(request: Request) -> Response:
    """Last, so that what is not there is said in the same envelope."""
    raise NoSuchRoute(
        f"There is no {request.method} {request.url.path}", hint="See GET /openapi.json for what there is."
    )
