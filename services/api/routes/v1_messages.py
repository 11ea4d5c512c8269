"""Anthropic's messages, for the clients that speak them."""

from __future__ import annotations

from fastapi import Request, Response

from services.api.anthropic.answers import AnthropicMessage, TokenCount
from services.api.anthropic.asked import Asked, Counting
from services.api.anthropic.told import Events, whole
from services.api.documented import answers, takes
from services.api.doors import Doors
from services.api.house import House
from services.api.openai.chunks import joined, plain_json
from services.api.openai.errors import OpenAIRoute
from services.api.openai.live import Whole
from services.api.openai.reading import read
from services.api.openai.streams import Streamed, collect
from services.api.policy import PICTURES_BYTES, Policy

router = Doors(route_class=OpenAIRoute)
_COUNT_WITHIN_S = 60.0
_MESSAGES = {"model": "solo", "messages": [{"role": "user", "content": "What is the tallest tree?"}]}
_DELTA = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"A sequoia"}}\n\n'
)


@router.door(
    "POST",
    "/v1/messages",
    policy=Policy("chat", owner="profile", rate="costly", body=PICTURES_BYTES),
    summary="Answer a conversation in Anthropic's form, whole or as server-sent events",
    responses=answers(AnthropicMessage, stream=_DELTA),
    openapi_extra=takes(Asked, {**_MESSAGES, "max_tokens": 64}),
)
async def messages(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, Asked)
    question = asked.question(request.scope["principal"].profile)
    model = asked.model or "solo"
    name = f"msg_{question.id}"
    if asked.stream:
        return Streamed(request, house, [question], Events(name, model), name)

    async def make() -> bytes:
        deltas, end = await collect(house.ctx, question)
        text, _ = joined(deltas)
        return whole(name, model, text, end)

    return Whole(request, make)


@router.door(
    "POST",
    "/v1/messages/count_tokens",
    policy=Policy("chat", body=PICTURES_BYTES),
    summary="How many tokens a conversation in Anthropic's form would take",
    responses=answers(TokenCount),
    openapi_extra=takes(Counting, _MESSAGES),
)
async def count_tokens(request: Request) -> Response:
    house: House = request.app.state.house
    question = (await read(request, Counting)).count()

    async def make() -> bytes:
        counted = await house.ctx.request(question, within=_COUNT_WITHIN_S)
        return plain_json({"input_tokens": counted.tokens}).encode()

    return Whole(request, make)
