"""Documents in the memory: taken in, listed, searched, forgotten."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.api.documented import NO_NUL, Body, answers, json_list, json_of
from services.api.doors import Doors
from services.api.guard import TooLarge
from services.api.house import TheHouse, Who
from services.api.policy import DOCUMENT_BYTES, Policy
from services.api.sse import events
from services.messages.memory import Collection as MemoryCollection
from services.messages.memory import (
    Document,
    Forget,
    Forgotten,
    Hit,
    Ingest,
    Ingested,
    IngestProgress,
    ListCollections,
    ListDocuments,
    Search,
)

router = Doors(prefix="/api/memory", tags=["memory"])
_WITHIN_S = 10.0
_STEP_WITHIN_S = 330.0
"""Between two words of progress: a document may have to wait for others to be read."""
_EVENTS = 'event: progress\ndata: {"done": 3, "total": 7}\n\nevent: result\ndata: {"verdict": "stored", ...}\n\n'
_FILE = {
    "requestBody": {
        "required": False,  # an empty file is one too, and is told so
        "description": f"The file as it is, at most {DOCUMENT_BYTES // 1024**2} MB: text, Markdown, HTML, PDF, DOCX.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "contentMediaType": "application/octet-stream"},
                "example": "Wash the filter once a month.",
            }
        },
    }
}

Named = Annotated[
    str, Path(min_length=1, max_length=100, pattern=NO_NUL, description="Its name.", examples=["manuals"])
]
Collection = Annotated[
    str | None, Query(min_length=1, max_length=100, pattern=NO_NUL, description="Only in this collection.")
]


DocumentName = Annotated[
    str, Query(min_length=1, max_length=1000, pattern=NO_NUL, description="Its name.", examples=["manual.pdf"])
]


class Wanted(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How often should the filter be washed?", "top": 3}]}
    )

    query: str = Field(min_length=1, max_length=4000, pattern=NO_NUL)
    """In plain words."""
    collection: str | None = Field(default=None, min_length=1, max_length=100, pattern=NO_NUL)
    """Only there."""
    document: str | None = Field(default=None, max_length=1000, pattern=NO_NUL)
    """Only in documents of this name."""
    top: int = Field(default=5, ge=1, le=100, strict=False)
    """How many at most."""


class Collections(BaseModel):
    collections: tuple[MemoryCollection, ...]


class Documents(BaseModel):
    documents: tuple[Document, ...]


class Hits(BaseModel):
    hits: tuple[Hit, ...]


@router.door(
    "GET",
    "/collections",
    policy=Policy("memory.read", owner="profile"),
    summary="Collections, by name",
    responses=answers(Collections),
)
async def collections(house: TheHouse, who: Who) -> JSONResponse:
    found = await house.ctx.request(ListCollections(profile=who.profile), within=_WITHIN_S)
    return JSONResponse({"collections": json_list(found)})


@router.door(
    "DELETE",
    "/collections/{name}",
    policy=Policy("memory.write", owner="profile"),
    summary="Forget a collection with all its documents",
    responses=answers(Forgotten),
)
async def forget_collection(name: Named, house: TheHouse, who: Who) -> JSONResponse:
    return json_of(await house.ctx.request(Forget(profile=who.profile, collection=name), within=_WITHIN_S))


@router.door(
    "GET",
    "/documents",
    policy=Policy("memory.read", owner="profile"),
    summary="Documents, newest first",
    responses=answers(Documents),
)
async def documents(
    house: TheHouse,
    who: Who,
    collection: Collection = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many at most.")] = 200,
) -> JSONResponse:
    asked = ListDocuments(profile=who.profile, collection=collection, limit=limit)
    found = await house.ctx.request(asked, within=_WITHIN_S)
    return JSONResponse({"documents": json_list(found)})


@router.door(
    "DELETE",
    "/documents",
    policy=Policy("memory.write", owner="profile"),
    summary="Forget a document by its name",
    responses=answers(Forgotten),
)
async def forget_document(house: TheHouse, who: Who, name: DocumentName, collection: Collection = None) -> JSONResponse:
    asked = Forget(profile=who.profile, document=name, collection=collection)
    return json_of(await house.ctx.request(asked, within=_WITHIN_S))


@router.door(
    "PUT",
    "/documents",
    policy=Policy("memory.write", owner="profile", rate="costly", body=DOCUMENT_BYTES),
    summary="Take in a document: the file is the body",
    responses=answers(Ingested, stream=_EVENTS),
    openapi_extra=_FILE,
)
async def take_in(
    request: Request,
    house: TheHouse,
    who: Who,
    name: DocumentName,
    collection: Annotated[
        str, Query(min_length=1, max_length=100, pattern=NO_NUL, description="Where to put it; made when it is new.")
    ] = "documents",
) -> Response:
    """With `Accept: text/event-stream` server-sent events `progress`, and last `result`; otherwise the result as JSON.

    The result comes after COMMIT. A document that cannot be taken in is a result too: `verdict` is `failed`.
    """
    asked = Ingest(profile=who.profile, name=name, collection=collection, content=await _body(request))
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
    responses=answers(Hits),
)
async def search(wanted: Wanted, house: TheHouse, who: Who) -> JSONResponse:
    asked = Search(
        profile=who.profile,
        query=wanted.query,
        collection=wanted.collection,
        document=wanted.document,
        top=wanted.top,
    )
    return JSONResponse({"hits": json_list(await house.ctx.request(asked, within=_WITHIN_S))})


async def _body(request: Request) -> bytes:
    """A body without a length that grew too long looks like a client that left (see the guard)."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            parts.append(part)
    except ClientDisconnect:
        raise TooLarge(f"a document may have {DOCUMENT_BYTES // 1024**2} MB") from None
    return b"".join(parts)


def _told(step: IngestProgress) -> tuple[str, object]:
    if step.result is not None:
        return "result", step.result.model_dump(mode="json")
    return "progress", {"done": step.done, "total": step.total}
