"""The APIs that existing clients speak: OpenAI's, Anthropic's messages, and a reranker's."""

from __future__ import annotations

import time

from fastapi import Request, Response
from starlette.routing import compile_path

from services.api.documented import answers, takes
from services.api.doors import Doors
from services.api.house import House
from services.api.openai import completions as bare
from services.api.openai.answers import ChatCompletion, TextCompletion
from services.api.openai.chat_request import ChatRequest
from services.api.openai.chunks import Chunks, whole
from services.api.openai.errors import NoSuchRoute, OpenAIRoute, refusal
from services.api.openai.live import Whole
from services.api.openai.reading import read
from services.api.openai.streams import Streamed, collect
from services.api.policy import PICTURES_BYTES, SOCKET, Policy
from services.api.routes import (
    v1_audio,
    v1_embeddings,
    v1_messages,
    v1_models,
    v1_realtime,
    v1_rerank,
    v1_responses,
)

router = Doors(route_class=OpenAIRoute)
_CHAT = {"model": "solo", "messages": [{"role": "user", "content": "What is the tallest tree?"}], "max_tokens": 64}
_CHUNK = 'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"A sequoia"}}]}\n\n'
_TEXT_CHUNK = 'data: {"object":"text_completion","choices":[{"index":0,"text":"there was"}]}\n\n'
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


@router.door(
    "POST",
    "/v1/chat/completions",
    policy=Policy("chat", owner="profile", rate="costly", body=PICTURES_BYTES),
    summary="Answer a conversation, whole or as server-sent events",
    responses=answers(ChatCompletion, stream=_CHUNK),
    openapi_extra=takes(ChatRequest, _CHAT),
)
async def chat(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, ChatRequest)
    question = asked.question(request.scope["principal"].profile)
    model = asked.model or "solo"
    name = f"chatcmpl-{question.id}"
    created = int(time.time())
    if asked.stream:
        chunks = Chunks(name, created, model, usage=asked.stream_options.include_usage)
        return Streamed(request, house, [question], chunks, name)

    async def make() -> bytes:
        deltas, end = await collect(house.ctx, question)
        return whole(name, created, model, deltas, end)

    return Whole(request, make)


@router.door(
    "POST",
    "/v1/completions",
    policy=Policy("chat", owner="profile", rate="costly"),
    summary="Go on with bare text, without a chat template",
    responses=answers(TextCompletion, stream=_TEXT_CHUNK),
    openapi_extra=takes(bare.CompletionRequest, {"prompt": "Once upon a time", "max_tokens": 16}),
)
async def completions(request: Request) -> Response:
    house: House = request.app.state.house
    asked = await read(request, bare.CompletionRequest)
    questions = asked.questions(request.scope["principal"].profile)
    name = f"cmpl-{questions[0].id}"
    if asked.stream:
        return Streamed(request, house, questions, bare.TextChunks(name, asked), name)

    async def make() -> bytes:
        answers = [await collect(house.ctx, question) for question in questions]
        return bare.whole(name, asked, answers)

    return Whole(request, make)


for part in (v1_audio, v1_embeddings, v1_responses, v1_messages, v1_rerank, v1_realtime, v1_models):
    router.contain(part.router)


@router.api_route("/v1/{rest:path}", methods=_METHODS, include_in_schema=False)
async def nothing(request: Request) -> Response:
    """Last, so that what is not there is said in the same envelope."""
    error = NoSuchRoute(
        f"There is no {request.method} {request.url.path}", hint="See GET /openapi.json for what there is."
    )
    methods = {method for path, method in _KNOWN if path.fullmatch(request.scope["path"])}
    if not methods:
        raise error
    return await refusal(request, error, 405, {"allow": ", ".join(sorted(methods))})


_KNOWN = [(compile_path(row.path)[0], row.method) for row in router.rows if row.method != SOCKET]
