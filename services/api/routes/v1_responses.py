"""OpenAI's responses: answers that a conversation can go on from by their id."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.api.documented import answers, path_of, takes
from services.api.doors import Doors
from services.api.house import House
from services.api.openai.answers import DeletedResponse, InputItems, ModelResponse
from services.api.openai.chunks import joined, plain_json
from services.api.openai.errors import NoSuchResponse, OpenAIRoute
from services.api.openai.live import Whole
from services.api.openai.reading import invalid, read
from services.api.openai.response_events import Described, Events
from services.api.openai.response_items import items_of, messages_of
from services.api.openai.response_request import ResponseRequest
from services.api.openai.response_store import TTL_S, Kept, store_of
from services.api.openai.streams import Streamed, collect
from services.api.policy import PICTURES_BYTES, Policy
from services.messages.language import ChatMessage, CompletionEnd

router = Doors(route_class=OpenAIRoute)
_POLICY = Policy("chat", owner="profile")
_NAME = path_of("Id of a response", "resp_1", 200)
_DELTA = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"A sequoia"}\n\n'
_PAGE = [
    {"name": name, "in": "query", "description": told, "required": False, "schema": schema}
    for name, told, schema in (
        ("limit", "How many of them.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
        ("order", "The first or the last first.", {"enum": ["asc", "desc"], "default": "desc"}),
        ("after", "Only what comes after the item of this id.", {"type": "string", "maxLength": 200}),
    )
]


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: str = Field(default="", max_length=200)


@router.door(
    "POST",
    "/v1/responses",
    policy=Policy("chat", owner="profile", rate="costly", body=PICTURES_BYTES),
    summary="Answer an input, whole or as server-sent events, and keep the answer to go on from",
    responses=answers(ModelResponse, stream=_DELTA),
    openapi_extra=takes(ResponseRequest, {"model": "solo", "input": "What is the tallest tree?"}),
)
async def create(request: Request) -> Response:
    house: House = request.app.state.house
    profile: str = request.scope["principal"].profile
    asked = await read(request, ResponseRequest)
    items = items_of(asked.input)
    earlier = () if asked.previous_response_id is None else _found(request, asked.previous_response_id).messages
    conversation = (*earlier, *messages_of(items))
    question = asked.question(conversation, profile)
    described = Described(f"resp_{question.id}", asked)

    def finished(response: dict[str, Any], text: str, end: CompletionEnd) -> None:
        if asked.store:
            said = ChatMessage(role="assistant", content=text, tool_calls=end.tool_calls)
            until = asyncio.get_running_loop().time() + TTL_S
            kept = Kept(plain_json(response).encode(), _named(items, question.id), (*conversation, said), until)
            store_of(request).put(profile, described.name, kept)

    if asked.stream:
        return Streamed(request, house, [question], Events(described, finished), described.name)

    async def make() -> bytes:
        deltas, end = await collect(house.ctx, question)
        text, tokens = joined(deltas)
        response = described.done(text, tokens, end)
        finished(response, text, end)
        return plain_json(response).encode()

    return Whole(request, make)


@router.door(
    "GET",
    "/v1/responses/{name}",
    policy=_POLICY,
    summary="A response that was kept",
    responses=answers(ModelResponse),
    openapi_extra=_NAME,
)
async def retrieve(request: Request) -> Response:
    return Response(_found(request, request.path_params["name"]).body, media_type="application/json")


@router.door(
    "DELETE",
    "/v1/responses/{name}",
    policy=_POLICY,
    summary="Forget a response",
    responses=answers(DeletedResponse),
    openapi_extra=_NAME,
)
async def delete(request: Request) -> Response:
    name = str(request.path_params["name"])
    _found(request, name)
    store_of(request).delete(request.scope["principal"].profile, name)
    return JSONResponse({"id": name, "object": "response", "deleted": True})


@router.door(
    "GET",
    "/v1/responses/{name}/input_items",
    policy=_POLICY,
    summary="What a response was asked with",
    responses=answers(InputItems),
    openapi_extra={"parameters": [*_NAME["parameters"], *_PAGE]},
)
async def input_items(request: Request) -> Response:
    kept = _found(request, request.path_params["name"])
    try:
        page = _Page.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise invalid(error) from error
    items = list(kept.items if page.order == "asc" else reversed(kept.items))
    places = [place for place, item in enumerate(items) if item["id"] == page.after]
    items = items[places[0] + 1 :] if places else items
    shown = items[: page.limit]
    ends = {"first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}
    return JSONResponse({"object": "list", "data": shown, **ends, "has_more": len(items) > len(shown)})


def _found(request: Request, name: str) -> Kept:
    """Raises NoSuchResponse, also for another profile's."""
    kept = store_of(request).get(request.scope["principal"].profile, name)
    if kept is None:
        hint = "Responses are kept for a day, in memory, where store is not false."
        raise NoSuchResponse(f"There is no response {name[:100]!r}", hint=hint)
    return kept


def _named(items: list[dict[str, Any]], question: str) -> tuple[dict[str, Any], ...]:
    """Items with ids, and the text of messages as parts."""
    return tuple(_whole(item) | {"id": f"in_{place}_{question}"} for place, item in enumerate(items))


def _whole(item: dict[str, Any]) -> dict[str, Any]:
    content = item.get("content")
    if isinstance(content, str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        return {**item, "type": "message", "content": [{"type": kind, "text": content}]}
    return {"type": "message", **item}
