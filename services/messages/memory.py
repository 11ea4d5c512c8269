"""Remembering: documents in collections, facts about a person, and what of both fits a question."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.facts import Fact
from services.messages.profiles import OWNER
from solo.bus import Event, Request, StreamRequest

MOST_DOCUMENT_BYTES = 32 * 1024 * 1024
Verdict = Literal["stored", "known", "replaced", "empty", "failed"]


class Place(BaseModel):
    """Where in a document a passage is."""

    model_config = ConfigDict(frozen=True)

    document: str
    """Name of the document, as it was given."""
    page: int | None
    """Page, from 1; None where the format has no pages."""
    offset: int
    """Characters before the passage in the text of the page, or of the whole document without pages."""


class Hit(BaseModel):
    """A passage found."""

    model_config = ConfigDict(frozen=True)

    text: str
    """The passage."""
    score: float
    """0 to 1: the cosine likeness of passage and query, or 0 where only words matched."""
    collection: str
    """Where it was found."""
    source: Place
    """Where it comes from."""


class Recollection(BaseModel):
    """What is remembered that fits a question; all of it may be empty."""

    model_config = ConfigDict(frozen=True)

    facts: tuple[Fact, ...] = ()
    """About the person, the best fitting first."""
    hits: tuple[Hit, ...] = ()
    """From documents, the best fitting first."""
    ms: float = 0.0
    """Milliseconds it took."""


class Collection(BaseModel):
    """A named set of documents."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its name."""
    documents: int
    """How many documents are in it."""
    chunks: int
    """Passages they were cut into."""


class Document(BaseModel):
    """A document that was taken in."""

    model_config = ConfigDict(frozen=True)

    id: str
    """A UUID."""
    collection: str
    """Where it is."""
    name: str
    """As it was given."""
    media_type: str
    """Such as `application/pdf`."""
    sha256: str
    """Of its bytes, in hexadecimal."""
    bytes: int
    """Its size."""
    pages: int | None
    """None where the format has none."""
    chunks: int
    """Passages it was cut into."""
    added_at: str
    """ISO 8601 UTC."""


class Ingested(BaseModel):
    """What became of one document."""

    model_config = ConfigDict(frozen=True)

    name: str
    """As it was given."""
    verdict: Verdict
    """`known`: the same bytes are there already; `replaced`: another document of this name was there."""
    chunks: int = 0
    """Passages it was cut into."""
    code: str | None = None
    """Of the error, when it failed."""
    reason: str | None = None
    """What is wrong with it, when it failed or is empty."""


class IngestProgress(BaseModel):
    """How far the document is; the last one has its result."""

    model_config = ConfigDict(frozen=True)

    done: int
    """Passages embedded so far."""
    total: int
    """Of these; 0 while the document is still being read."""
    result: Ingested | None = None
    """In the last one only."""


class Ingest(StreamRequest[IngestProgress]):
    """Take in one document. The same bytes again change nothing; the last item says so after COMMIT."""

    profile: str = OWNER
    """Whose memory."""
    collection: str = Field(default="documents", min_length=1, max_length=100)
    """Where to put it; made when it does not exist."""
    name: str = Field(min_length=1, max_length=1000)
    """By which it is cited."""
    content: bytes = Field(max_length=MOST_DOCUMENT_BYTES)
    """The file's bytes."""


class Search(Request[tuple[Hit, ...]]):
    """Passages that fit a query, best first: by meaning and by words."""

    idempotent = True

    profile: str = OWNER
    """Whose memory."""
    query: str = Field(min_length=1, max_length=4000)
    """In plain words."""
    collection: str | None = None
    """Only there; None: everywhere."""
    document: str | None = None
    """Only in documents of this name."""
    top: int = Field(default=5, ge=1, le=100)
    """How many at most."""


class Recall(Request[Recollection]):
    """What is remembered that fits a question, of facts and documents; nothing that fits badly."""

    idempotent = True

    profile: str = OWNER
    """Whose memory."""
    question: str
    """As it was asked."""
    most_facts: int = 5
    """Facts at most."""
    most_hits: int = 2
    """Passages at most."""


class Forgotten(BaseModel):
    """What was forgotten."""

    model_config = ConfigDict(frozen=True)

    facts: int = 0
    """Facts."""
    documents: int = 0
    """Documents, with all their passages."""


class Forget(Request[Forgotten]):
    """Forget a fact, a document, or a whole collection; exactly one of the three is named."""

    profile: str = OWNER
    """Whose memory."""
    fact_id: str | None = None
    """One fact; `*`: all facts of the profile."""
    document: str | None = None
    """One document by its name, in `collection` or everywhere."""
    collection: str | None = None
    """Everything in it, when no document is named."""


class ListCollections(Request[tuple[Collection, ...]]):
    """The collections of a profile, by name."""

    idempotent = True

    profile: str = OWNER
    """Whose memory."""


class ListDocuments(Request[tuple[Document, ...]]):
    """The documents of a profile, newest first."""

    idempotent = True

    profile: str = OWNER
    """Whose memory."""
    collection: str | None = None
    """Only there."""
    limit: int = Field(default=200, ge=1, le=10_000)
    """How many at most."""


class IndexState(BaseModel):
    """One index of vectors: all passages as one embedder sees them."""

    model_config = ConfigDict(frozen=True)

    embedder: str
    """Name of the embedder's model."""
    dimensions: int
    """Of its vectors."""
    state: Literal["building", "active"]
    """`building`: not asked yet; the active one serves meanwhile."""
    done: int
    """Passages in it."""
    total: int
    """Passages there are."""


class DescribeMemory(Request["MemoryState"]):
    """How is the memory?"""

    idempotent = True


class MemoryState(BaseModel):
    """The memory at a glance."""

    model_config = ConfigDict(frozen=True)

    store: str
    """Name of the store."""
    embedder: str
    """Name of the embedder in use."""
    indexes: tuple[IndexState, ...]
    """Active and building."""
    facts: int
    """Facts of all profiles."""
    documents: int
    """Documents of all profiles."""
    note: str = ""
    """What is not as it should be, such as a search by words only; empty: nothing."""


class Reindex(Request[MemoryState]):
    """Embed everything afresh in the background; the present index serves meanwhile."""


class MemoryIndexed(Event):
    """An index of vectors became complete and is the one that is asked now."""

    embedder: str
    """Name of the embedder's model."""
    chunks: int
    """Passages in it."""
    seconds: float
    """How long it took."""
