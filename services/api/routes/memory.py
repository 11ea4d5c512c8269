"""Memory at a glance, the facts about somebody, and a new index."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from services.api.documented import NO_NUL, Body, answers, json_list, json_of
from services.api.doors import Doors
from services.api.house import House, TheHouse, Who
from services.api.jobs import InBackground, Job, Report, accepted, jobs_of
from services.api.policy import Policy
from services.api.routes import documents
from services.messages.facts import EditFact, Fact, ListFacts, Remember
from services.messages.memory import (
    DescribeMemory,
    Forget,
    Forgotten,
    ListCollections,
    MemoryIndexed,
    MemoryState,
    Reindex,
)
from solo.bus import Overflow

router = Doors()
_facts = Doors(prefix="/api/memory", tags=["memory"])
_UUID = "6f1c2c1e-5a1f-4c59-9d8b-3f2b8f0a7c11"
_WITHIN_S = 10.0
_REINDEX_WITHIN_S = 6 * 3600.0
_LOOK_EVERY_S = 1.0

FactId = Annotated[
    str, Path(min_length=1, max_length=100, pattern=r"^[^\x00*]*$", description="Id of a fact.", examples=[_UUID])
]


class NewFact(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "The bins go out on Tuesday."}]})

    text: str = Field(min_length=1, max_length=2000, pattern=NO_NUL)
    """One sentence."""
    subject: str = Field(default="note", min_length=1, max_length=100, pattern=NO_NUL)
    """What it is about; a newer fact about a subject of one value, such as `name`, replaces the older."""
    id: str | None = Field(default=None, max_length=100, pattern=NO_NUL)
    """A UUID made by the caller, which makes asking again safe."""


class Words(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "The bins go out on Monday."}]})

    text: str = Field(min_length=1, max_length=2000, pattern=NO_NUL)
    """The new words."""


class Facts(BaseModel):
    facts: tuple[Fact, ...]


@_facts.door(
    "GET",
    "",
    policy=Policy("memory.read", owner="profile"),
    summary="The memory at a glance: store, embedder, indexes",
    responses=answers(MemoryState),
)
async def state(house: TheHouse, who: Who) -> JSONResponse:
    """An admin sees how much all profiles have; everybody else only what is theirs, and no indexes."""
    found = await house.ctx.request(DescribeMemory(), within=_WITHIN_S)
    if who.role != "admin":
        facts = await house.ctx.request(ListFacts(profile=who.profile, limit=1000), within=_WITHIN_S)
        own = await house.ctx.request(ListCollections(profile=who.profile), within=_WITHIN_S)
        documents = sum(collection.documents for collection in own)
        found = found.model_copy(update={"facts": len(facts), "documents": documents, "indexes": ()})
    return json_of(found)


@_facts.door(
    "GET",
    "/facts",
    policy=Policy("memory.read", owner="profile"),
    summary="Facts, newest first",
    responses=answers(Facts),
)
async def facts(
    house: TheHouse, who: Who, limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 200
) -> JSONResponse:
    found = await house.ctx.request(ListFacts(profile=who.profile, limit=limit), within=_WITHIN_S)
    return JSONResponse({"facts": json_list(found)})


@_facts.door(
    "POST",
    "/facts",
    policy=Policy("memory.write", owner="profile"),
    status_code=201,
    summary="Keep a fact",
    responses=answers(Fact, 201),
)
async def remember(fact: NewFact, house: TheHouse, who: Who) -> JSONResponse:
    asked = Remember(profile=who.profile, text=fact.text, subject=fact.subject, fact_id=fact.id)
    return json_of(await house.ctx.request(asked, within=_WITHIN_S), 201)


@_facts.door(
    "PATCH",
    "/facts/{fact_id}",
    policy=Policy("memory.write", owner="profile"),
    summary="Change the words of a fact",
    responses=answers(Fact),
)
async def edit(fact_id: FactId, words: Words, house: TheHouse, who: Who) -> JSONResponse:
    asked = EditFact(profile=who.profile, fact_id=fact_id, text=words.text)
    return json_of(await house.ctx.request(asked, within=_WITHIN_S))


@_facts.door(
    "DELETE",
    "/facts",
    policy=Policy("memory.write", owner="profile"),
    summary="Forget all facts",
    responses=answers(Forgotten),
)
async def forget_facts(house: TheHouse, who: Who) -> JSONResponse:
    return json_of(await house.ctx.request(Forget(profile=who.profile, fact_id="*"), within=_WITHIN_S))


@_facts.door(
    "DELETE",
    "/facts/{fact_id}",
    policy=Policy("memory.write", owner="profile"),
    summary="Forget a fact",
    responses=answers(Forgotten),
)
async def forget_fact(fact_id: FactId, house: TheHouse, who: Who) -> JSONResponse:
    return json_of(await house.ctx.request(Forget(profile=who.profile, fact_id=fact_id), within=_WITHIN_S))


@_facts.door(
    "POST",
    "/reindex",
    policy=Policy("daemon.control", audit=True),
    status_code=202,
    summary="Embed everything afresh, in the background",
    responses=answers(MemoryState | Job, 202),
)
async def reindex(request: Request, house: TheHouse, who: Who, background: InBackground) -> JSONResponse:
    """The memory as it is now; with `background` a job that ends when the new index is the one that is asked."""
    if background:
        return accepted(jobs_of(request.app).start(who.profile, "memory.reindex", lambda report: _watch(house, report)))
    return json_of(await house.ctx.request(Reindex(), within=_WITHIN_S), 202)


async def _watch(house: House, report: Report) -> Any:
    """Ask for a new index and wait until it is complete; looks in between tell how far it is."""
    async with (
        asyncio.timeout(_REINDEX_WITHIN_S),
        house.ctx.subscribe(MemoryIndexed, limit=8, overflow=Overflow.DROP_OLDEST) as indexed,
    ):
        await house.ctx.request(Reindex(), within=_WITHIN_S)
        complete = asyncio.ensure_future(anext(indexed))
        try:
            while not (await asyncio.wait({complete}, timeout=_LOOK_EVERY_S))[0]:
                found = await house.ctx.request(DescribeMemory(), within=_WITHIN_S)
                building = [index for index in found.indexes if index.state == "building" and index.total]
                if building:
                    report(building[0].done / building[0].total)
            return complete.result().model_dump(mode="json", include={"embedder", "chunks", "seconds"})
        finally:
            complete.cancel()


router.contain(_facts)
router.contain(documents.router)
