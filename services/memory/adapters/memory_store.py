"""The memory's documents in dictionaries: exact, gone with the process, for tests and demonstrations."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from services.memory.adapters.fusion import fuse
from services.memory.adapters.wording import telling_words, tidy, tidy_document, tidy_query, words
from services.memory.store import Index, IndexGone, IndexIncomplete, NewDocument, Query
from services.messages.memory import Collection, Document, Hit, Place
from services.messages.passages import Chunk
from solo.supervision import Context

Vector = tuple[float, ...]


@dataclass
class _Indexed:
    index: Index
    vectors: dict[str, Vector] = field(default_factory=dict)


class FakeStore:
    """As the port says, except that nothing lasts."""

    name = "fake"

    def __init__(self) -> None:
        self._documents: dict[str, NewDocument] = {}
        self._chunks: dict[str, tuple[str, Chunk]] = {}
        self._indexes: dict[str, _Indexed] = {}
        self._numbers = count(1)

    async def run(self, ctx: Context) -> None:
        return

    async def indexes(self) -> Sequence[Index]:
        return [each.index for each in self._indexes.values()]

    async def create_index(self, embedder: str, dimensions: int) -> Index:
        state: Literal["building", "active"] = "building" if self._documents else "active"
        for key, each in list(self._indexes.items()):
            if each.index.state == "building" or state == "active":
                del self._indexes[key]
        index = Index(str(next(self._numbers)), embedder, dimensions, state)
        self._indexes[index.key] = _Indexed(index)
        return index

    async def activate(self, index: Index) -> None:
        if await self.missing(index, 1):
            raise IndexIncomplete
        taking_over = self._indexes[index.key]
        taking_over.index = Index(index.key, index.embedder, index.dimensions, "active")
        self._indexes = {index.key: taking_over}

    async def missing(self, index: Index, limit: int) -> Sequence[tuple[str, str]]:
        there = self._of(index).vectors
        return [(id_, chunk.text) for id_, (_, chunk) in self._chunks.items() if id_ not in there][:limit]

    async def add_vectors(self, index: Index, vectors: Sequence[tuple[str, bytes]]) -> None:
        there = self._of(index).vectors
        for id_, data in vectors:
            (vector,) = _rows(data, index.dimensions)
            if id_ in self._chunks:
                there[id_] = vector

    async def progress(self, index: Index) -> tuple[int, int]:
        return len(self._of(index).vectors), len(self._chunks)

    async def known(self, profile: str, collection: str, name: str, sha256: str) -> Literal["no", "same", "other"]:
        there = list(self._those(profile, tidy(collection), None))
        if any(document.sha256 == sha256 for document in there):
            return "same"
        return "other" if any(document.name == tidy(name) for document in there) else "no"

    async def add(self, document: NewDocument, index: Index, vectors: bytes) -> bool:
        await asyncio.sleep(0)  # as any real one, it lets others run
        document = tidy_document(document)
        rows = list(_rows(vectors, index.dimensions))
        if len(rows) != len(document.chunks):
            raise ValueError(f"{len(rows)} vectors for {len(document.chunks)} passages")
        for other in list(self._those(document.profile, document.collection, None)):
            if other.sha256 == document.sha256:
                return other.id == document.id
        indexed = self._of(index)
        if indexed.index.state != "active":
            raise IndexGone
        for other in list(self._those(document.profile, document.collection, document.name)):
            self._remove(other.id)
        self._documents[document.id] = document
        for chunk, vector in zip(document.chunks, rows, strict=True):
            id_ = str(next(self._numbers))
            self._chunks[id_] = (document.id, chunk)
            indexed.vectors[id_] = vector
        return True

    async def search(self, query: Query) -> Sequence[Hit]:
        query = tidy_query(query)
        active = next((each for each in self._indexes.values() if each.index.state == "active"), None)
        if active is None:
            return []
        those = {document.id for document in self._those(query.profile, query.collection, query.document)}
        texts = {id_: chunk.text for id_, (document, chunk) in self._chunks.items() if document in those}
        likeness: dict[str, float] = {}
        if query.vector:
            try:
                (wanted,) = _rows(query.vector, active.index.dimensions)
            except ValueError:
                raise IndexGone from None
            likeness = {
                id_: sum(a * b for a, b in zip(vector, wanted, strict=True))
                for id_, vector in active.vectors.items()
                if id_ in texts
            }
        asked = set(telling_words(query.text))
        common = {id_: len(asked & set(words(text))) for id_, text in texts.items()}
        near = sorted(likeness, key=likeness.__getitem__, reverse=True)
        matching = sorted((id_ for id_ in common if common[id_]), key=common.__getitem__, reverse=True)
        return [self._hit(id_, likeness.get(id_, 0.0)) for id_ in fuse([near, matching], query.top)]

    async def collections(self, profile: str) -> Sequence[Collection]:
        there = list(self._those(profile, None, None))
        return [
            Collection(
                name=name,
                documents=sum(document.collection == name for document in there),
                chunks=sum(len(document.chunks) for document in there if document.collection == name),
            )
            for name in sorted({document.collection for document in there})
        ]

    async def documents(self, profile: str, collection: str | None, limit: int) -> Sequence[Document]:
        there = sorted(
            self._those(profile, None if collection is None else tidy(collection), None),
            key=lambda document: document.added_at,
            reverse=True,
        )
        return [
            Document(
                id=document.id,
                collection=document.collection,
                name=document.name,
                media_type=document.media_type,
                sha256=document.sha256,
                bytes=document.bytes,
                pages=document.pages,
                chunks=len(document.chunks),
                added_at=document.added_at.isoformat(),
            )
            for document in there[:limit]
        ]

    async def forget(self, profile: str, collection: str | None, document: str | None) -> int:
        there = list(
            self._those(
                profile,
                None if collection is None else tidy(collection),
                None if document is None else tidy(document),
            )
        )
        for each in there:
            self._remove(each.id)
        return len(there)

    async def count(self) -> int:
        return len(self._documents)

    def _of(self, index: Index) -> _Indexed:
        indexed = self._indexes.get(index.key)
        if indexed is None:
            raise IndexGone
        return indexed

    def _those(self, profile: str, collection: str | None, name: str | None) -> Iterator[NewDocument]:
        for document in self._documents.values():
            if (
                document.profile == profile
                and collection in (None, document.collection)
                and name in (None, document.name)
            ):
                yield document

    def _remove(self, document: str) -> None:
        del self._documents[document]
        gone = [id_ for id_, (owner, _) in self._chunks.items() if owner == document]
        for id_ in gone:
            del self._chunks[id_]
            for each in self._indexes.values():
                each.vectors.pop(id_, None)

    def _hit(self, id_: str, likeness: float) -> Hit:
        owner, chunk = self._chunks[id_]
        document = self._documents[owner]
        return Hit(
            text=chunk.text,
            score=min(max(likeness, 0.0), 1.0),
            collection=document.collection,
            source=Place(document=document.name, page=chunk.page, offset=chunk.offset),
        )


def _rows(data: bytes, dimensions: int) -> Iterator[Vector]:
    row = struct.Struct(f"<{dimensions}f")
    if len(data) % row.size:
        raise ValueError(f"{len(data)} bytes are not rows of {dimensions} float32")
    return row.iter_unpack(data)
