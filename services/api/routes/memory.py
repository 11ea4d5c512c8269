"""Memory: facts about the owner, and their documents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.api.doors import Doors
from services.api.guard import LARGER_BODIES, TooLarge
from services.api.house import TheHouse
from services.api.policy import DOCUMENT_BYTES, Policy
from services.api.sse import events
from services.messages.facts import EditFact, ListFacts, Remember
from services.messages.memory import (
    DescribeMemory,
    Forget,
    Ingest,
    IngestProgress,
    ListCollections,
    ListDocuments,
    Reindex,
    Search,
)

router = Doors(prefix="/api/memory")
_WITHIN_S = 10.0
_STEP_WITHIN_S = 330.0
"""Between two words of progress: a document may have to wait for others to be read."""
_MOST_BYTES = LARGER_BODIES["PUT", "/api/memory/documents"]

Collection = Annotated[str | None, Query(min_length=1, max_length=100)]


class NewFact(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=2000, examples=["The bins go out on Tuesday."])
    """One sentence."""
    subject: str = Field(default="note", min_length=1, max_length=100)
    """What it is about; a newer fact about a subject of one value, such as `name`, replaces the older."""
    id: str | None = None
    """A UUID made by the caller, which makes asking again safe."""


class Words(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=2000)
    """The new words."""


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=4000, examples=["How often should the filter be washed?"])
    """In plain words."""
    collection: str | None = Field(default=None, min_length=1, max_length=100)
    """Only there."""
    document: str | None = None
    """Only in documents of this name."""
    top: int = Field(default=5, ge=1, le=100)
    """How many at most."""


@router.door(
    "GET", "", policy=Policy("memory.read", owner="profile"), summary="The memory at a glance: store, embedder, indexes"
)
async def state(house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(DescribeMemory(), within=_WITHIN_S))


@router.door("GET", "/facts", policy=Policy("memory.read", owner="profile"), summary="Facts, newest first")
async def facts(house: TheHouse, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> JSONResponse:
    found = await house.ctx.request(ListFacts(limit=limit), within=_WITHIN_S)
    return JSONResponse({"facts": _plain(found)})


@router.door("POST", "/facts", policy=Policy("memory.write", owner="profile"), status_code=201, summary="Keep a fact")
async def remember(fact: NewFact, house: TheHouse) -> JSONResponse:
    asked = Remember(text=fact.text, subject=fact.subject, fact_id=fact.id)
    return _json(await house.ctx.request(asked, within=_WITHIN_S), 201)


@router.door(
    "PATCH", "/facts/{fact_id}", policy=Policy("memory.write", owner="profile"), summary="Change the words of a fact"
)
async def edit(fact_id: str, words: Words, house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(EditFact(fact_id=fact_id, text=words.text), within=_WITHIN_S))


@router.door("DELETE", "/facts", policy=Policy("memory.write", owner="profile"), summary="Forget all facts")
async def forget_facts(house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(Forget(fact_id="*"), within=_WITHIN_S))


@router.door("DELETE", "/facts/{fact_id}", policy=Policy("memory.write", owner="profile"), summary="Forget a fact")
async def forget_fact(fact_id: str, house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(Forget(fact_id=fact_id), within=_WITHIN_S))


@router.door("GET", "/collections", policy=Policy("memory.read", owner="profile"), summary="Collections, by name")
async def collections(house: TheHouse) -> JSONResponse:
    found = await house.ctx.request(ListCollections(), within=_WITHIN_S)
    return JSONResponse({"collections": _plain(found)})


@router.door(
    "DELETE",
    "/collections/{name}",
    policy=Policy("memory.write", owner="profile"),
    summary="Forget a collection with all its documents",
)
async def forget_collection(name: str, house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(Forget(collection=name), within=_WITHIN_S))


@router.door("GET", "/documents", policy=Policy("memory.read", owner="profile"), summary="Documents, newest first")
async def documents(
    house: TheHouse, collection: Collection = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 200
) -> JSONResponse:
    found = await house.ctx.request(ListDocuments(collection=collection, limit=limit), within=_WITHIN_S)
    return JSONResponse({"documents": _plain(found)})


@router.door(
    "DELETE", "/documents", policy=Policy("memory.write", owner="profile"), summary="Forget a document by its name"
)
async def forget_document(
    house: TheHouse, name: Annotated[str, Query(min_length=1, max_length=1000)], collection: Collection = None
) -> JSONResponse:
    return _json(await house.ctx.request(Forget(document=name, collection=collection), within=_WITHIN_S))


@router.door(
    "PUT",
    "/documents",
    policy=Policy("memory.write", owner="profile", rate="costly", body=DOCUMENT_BYTES),
    summary="Take in a document: the file is the body",
)
async def take_in(
    request: Request,
    house: TheHouse,
    name: Annotated[str, Query(min_length=1, max_length=1000)],
    collection: Annotated[str, Query(min_length=1, max_length=100)] = "documents",
) -> Response:
    """With `Accept: text/event-stream` server-sent events `progress`, and last `result`; otherwise the result as JSON.

    The result comes after COMMIT. A document that cannot be taken in is a result too: `verdict` is `failed`.
    """
    asked = Ingest(name=name, collection=collection, content=await _body(request))
    if "text/event-stream" in request.headers.get("accept", ""):
        return events(house, asked, _told, within=_STEP_WITHIN_S)
    async with house.ctx.stream(asked, within=_STEP_WITHIN_S) as steps:
        async for step in steps:
            if step.result is not None:
                return JSONResponse(step.result.model_dump(mode="json"))
    raise RuntimeError("a document was taken in without a result")


@router.door(
    "POST",
    "/search",
    policy=Policy("memory.read", owner="profile"),
    summary="Passages of documents that fit a query, best first",
)
async def search(wanted: Wanted, house: TheHouse) -> JSONResponse:
    asked = Search(query=wanted.query, collection=wanted.collection, document=wanted.document, top=wanted.top)
    return JSONResponse({"hits": _plain(await house.ctx.request(asked, within=_WITHIN_S))})


@router.door(
    "POST",
    "/reindex",
    policy=Policy("daemon.control", audit=True),
    status_code=202,
    summary="Embed everything afresh, in the background",
)
async def reindex(house: TheHouse) -> JSONResponse:
    return _json(await house.ctx.request(Reindex(), within=_WITHIN_S), 202)


async def _body(request: Request) -> bytes:
    """A body without a length that grew too long looks like a client that left (see the guard)."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            parts.append(part)
    except ClientDisconnect:
        raise TooLarge(f"a document may have {_MOST_BYTES // 1024**2} MB") from None
    return b"".join(parts)


def _told(step: IngestProgress) -> tuple[str, object]:
    if step.result is not None:
        return "result", step.result.model_dump(mode="json")
    return "progress", {"done": step.done, "total": step.total}


def _json(answer: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json"), status_code=status)


def _plain(answers: Any) -> list[Any]:
    return [answer.model_dump(mode="json") for answer in answers]
