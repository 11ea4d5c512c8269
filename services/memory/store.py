"""The port of the stores that keep documents, their passages and their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from services.messages.memory import Collection, Document, Hit
from services.messages.passages import Chunk
from solo.errors import SoloError
from solo.supervision import Context


class StoreUnavailable(SoloError):
    """The store of the memory cannot be used."""

    code = "memory.store_unavailable"


class IndexGone(SoloError):
    """The index of vectors is not in use any more: another one took its place, or its building was given up."""

    code = "memory.index_gone"


class IndexIncomplete(SoloError):
    """The index of vectors lacks passages that were added meanwhile."""

    code = "memory.index_incomplete"


@dataclass(frozen=True, slots=True)
class NewDocument:
    id: str
    """A UUID."""
    profile: str
    collection: str
    name: str
    media_type: str
    sha256: str
    bytes: int
    pages: int | None
    chunks: tuple[Chunk, ...]
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Index:
    """All passages as one embedder sees them."""

    key: str
    """The store's own name for it."""
    embedder: str
    dimensions: int
    state: Literal["building", "active"]


@dataclass(frozen=True, slots=True)
class Query:
    profile: str
    text: str
    vector: bytes
    """float32 little-endian, of the active index's embedder; empty: search by words only."""
    collection: str | None
    document: str | None
    top: int


class DocumentStore(Protocol):
    """Every method that reads or changes personal data is told whose: `profile` is part of every such query.

    Methods raise a SoloError (DatabaseUnavailable, StoreUnavailable ...) when the store is away; what they returned
    from is durable.
    """

    name: str

    async def run(self, ctx: Context) -> None:
        """Keeps what the store needs alive (a child process) until cancelled; returns at once when it needs nothing."""
        ...

    async def indexes(self) -> Sequence[Index]:
        """At most one is active; at most one is being built."""
        ...

    async def create_index(self, embedder: str, dimensions: int) -> Index:
        """Empty and `building`, or `active` when there is no document yet. One being built already is dropped."""
        ...

    async def activate(self, index: Index) -> None:
        """It serves from now on, all at once; the one before is dropped.

        Raises IndexIncomplete when it lacks passages (`missing` has them) and IndexGone when it is neither.
        """
        ...

    async def missing(self, index: Index, limit: int) -> Sequence[tuple[str, str]]:
        """Up to `limit` passages without a vector in this index: (id of the passage, text)."""
        ...

    async def add_vectors(self, index: Index, vectors: Sequence[tuple[str, bytes]]) -> None:
        """(id of the passage, float32 little-endian). A passage that is gone meanwhile is passed over."""
        ...

    async def progress(self, index: Index) -> tuple[int, int]:
        """Passages in this index, and passages there are."""
        ...

    async def known(self, profile: str, collection: str, name: str, sha256: str) -> Literal["no", "same", "other"]:
        """`same`: these bytes are in the collection, under any name; `other`: the name is there with other bytes."""
        ...

    async def add(self, document: NewDocument, index: Index, vectors: bytes) -> bool:
        """The document, its passages and their vectors, all or nothing; a document of the same name there is replaced.

        `vectors`: float32 little-endian, one row a passage. False: the same bytes are there already, nothing changed;
        True again for the same `document.id`. Raises IndexGone when `index` is not the active one.
        """
        ...

    async def search(self, query: Query) -> Sequence[Hit]:
        """By meaning and by words, fused by reciprocal rank; best first. Filters are exact: when there are `top`
        passages behind the filter, `top` come back."""
        ...

    async def collections(self, profile: str) -> Sequence[Collection]: ...

    async def documents(self, profile: str, collection: str | None, limit: int) -> Sequence[Document]: ...

    async def forget(self, profile: str, collection: str | None, document: str | None) -> int:
        """Documents forgotten; with no document named, all of the collection."""
        ...

    async def count(self) -> int:
        """Documents of all profiles."""
        ...
