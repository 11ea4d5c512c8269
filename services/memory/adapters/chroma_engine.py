"""Chroma in the child process: documents, passages and vectors in its collections, kept consistent over crashes.

Chroma has no transactions. A document is therefore announced in its record first (`pending`), then its passages are
written, then the record says `stored`; what a crash leaves between is taken back, or finished, by the next start.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

from services.memory.adapters.chroma_search import Found, found_in, where
from services.memory.store import IndexGone, IndexIncomplete
from solo.isolation.call import Call

_RECORDS = "documents"
_AT_ONCE = 500
"""Documents in one statement; SQLite takes some thousand parameters."""
_INDEX = re.compile(r"index-(\d+)")


class ChromaEngine:
    """Options: `folder`, where its files are; it is made when it is not there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._client: Any = None
        self._records: Any = None
        self._indexes: dict[str, Any] = {}
        self._pending: str | None = None
        self._todo: dict[str, dict[str, None]] = {}

    def load(self) -> dict[str, Any]:
        import chromadb
        from chromadb.config import Settings

        self._client = chromadb.PersistentClient(self._folder, settings=Settings(anonymized_telemetry=False))
        self._records = self._client.get_or_create_collection(_RECORDS, embedding_function=None)
        for collection in self._client.list_collections():
            if _INDEX.fullmatch(collection.name):
                self._indexes[collection.name] = self._client.get_collection(collection.name, embedding_function=None)
        self._recover()
        return {"engine": "chroma", "model": chromadb.__version__}

    def _recover(self) -> None:
        active = [name for name in self._newest_last() if self._state(name) == "active"]
        for name in active[:-1]:  # one had taken over from it
            self._drop(name)
        self._remove(list(self._all({"state": {"$ne": "stored"}})))
        taken_over = self._all({"replaces": {"$ne": ""}})
        self._remove([meta["replaces"] for meta in taken_over.values()])
        self._keep({id_: meta | {"replaces": ""} for id_, meta in taken_over.items()})

    # Indexes

    def indexes(self, call: Call) -> list[dict[str, Any]]:
        return [self._shown(name) for name in self._newest_last()]

    def create_index(self, call: Call, embedder: str, dimensions: int) -> dict[str, Any]:
        state = "building" if self._records.count() else "active"
        for name in self._newest_last():
            if self._state(name) == "building" or state == "active":
                self._drop(name)
        numbers = [int(name.partition("-")[2]) for name in self._indexes]
        last = self._records.metadata or {}
        number = max([*numbers, int(last.get("last", 0))]) + 1
        self._records.modify(metadata={"last": number})  # a number is never given twice
        name = f"index-{number}"
        self._indexes[name] = self._client.create_collection(
            name,
            embedding_function=None,
            metadata={"embedder": embedder, "dimensions": dimensions, "state": state},
            configuration={"hnsw": {"space": "ip"}},
        )
        return self._shown(name)

    def activate(self, call: Call, index: str) -> None:
        if self._state(index) == "active":
            return
        if self._remaining(index):
            raise IndexIncomplete
        meta = self._indexes[index].metadata
        self._indexes[index].modify(metadata=meta | {"state": "active"})
        for name in self._newest_last():
            if name != index:
                self._drop(name)

    def missing(self, call: Call, index: str, limit: int) -> list[list[str]]:
        wanted = list(self._remaining(index))[:limit]
        if not wanted:
            return []
        found = self._indexes[self._active()].get(ids=wanted, include=["documents"])
        return [[id_, text] for id_, text in zip(found["ids"], found["documents"], strict=True)]

    def add_vectors(self, call: Call, index: str, ids: list[str], vectors: bytes) -> None:
        rows = dict(zip(ids, self._rows(index, vectors), strict=True))
        if not ids or self._active() == index:
            return
        found = self._indexes[self._active()].get(ids=ids, include=["documents", "metadatas"])
        if found["ids"]:
            self._indexes[index].upsert(
                ids=found["ids"],
                embeddings=[rows[id_] for id_ in found["ids"]],
                documents=found["documents"],
                metadatas=found["metadatas"],
            )
        remaining = self._remaining(index)
        for id_ in ids:
            remaining.pop(id_, None)

    def progress(self, call: Call, index: str) -> list[int]:
        self._state(index)
        return [self._indexes[index].count(), self._indexes[self._active()].count()]

    # Documents

    def known(self, call: Call, profile: str, collection: str, name: str, sha256: str) -> str:
        there = self._stored(profile=profile, collection=collection).values()
        if any(meta["sha256"] == sha256 for meta in there):
            return "same"
        return "other" if any(meta["name"] == name for meta in there) else "no"

    def begin(self, call: Call, id: str, meta: dict[str, Any], index: str) -> bool | None:
        """True: go on with `extend` and `finish`. False: the same bytes are there. None: this document is."""
        self._abandon()
        there = self._stored(profile=meta["profile"], collection=meta["collection"])
        for other, known in there.items():
            if known["sha256"] == meta["sha256"]:
                return None if other == id else False
        if self._state(index) != "active":
            raise IndexGone
        replaces = next((other for other, known in there.items() if known["name"] == meta["name"]), "")
        self._keep({id: meta | {"state": "pending", "replaces": replaces, "number": self._records.count()}})
        self._pending = id
        return True

    def extend(self, call: Call, id: str, index: str, start: int, chunks: list[list[Any]], vectors: bytes) -> None:
        """`chunks`: [text, page, offset], those from `start` on."""
        meta = self._announced(id, index)
        kept = {"profile": meta["profile"], "collection": meta["collection"], "document": id, "name": meta["name"]}
        rows = self._rows(index, vectors)
        most = self._client.get_max_batch_size()
        for at in range(0, len(chunks), most):
            part = chunks[at : at + most]
            self._indexes[index].add(
                ids=[f"{id}:{start + at + n}" for n in range(len(part))],
                embeddings=rows[at : at + most],
                documents=[text for text, _, _ in part],
                metadatas=[kept | {"page": page or 0, "offset": offset} for _, page, offset in part],
            )

    def finish(self, call: Call, id: str, index: str) -> None:
        meta = self._announced(id, index)
        self._keep({id: meta | {"state": "stored"}})  # from here on it is there, whatever happens
        self._pending = None
        self._todo.clear()
        if meta["replaces"]:
            self._remove([meta["replaces"]])
            self._keep({id: meta | {"state": "stored", "replaces": ""}})

    def documents(self, call: Call, profile: str, collection: str | None, limit: int | None) -> list[dict[str, Any]]:
        there = self._stored(profile=profile, collection=collection)
        shown = [meta | {"id": id_} for id_, meta in there.items()]
        return sorted(shown, key=lambda meta: (meta["added_at"], meta["id"]), reverse=True)[:limit]

    def forget(self, call: Call, profile: str, collection: str | None, document: str | None) -> int:
        there = self._stored(profile=profile, collection=collection, name=document)
        self._keep({id_: meta | {"state": "going"} for id_, meta in there.items()})
        self._remove(list(there))
        return len(there)

    def count(self, call: Call) -> int:
        return len(self._stored())

    def search(
        self,
        call: Call,
        profile: str,
        text: str,
        vector: bytes,
        collection: str | None,
        document: str | None,
        top: int,
    ) -> list[Found]:
        if not any(self._state(name) == "active" for name in self._indexes):
            return []
        behind = self._stored(profile=profile, collection=collection, name=document)
        rows = sum(meta["chunks"] for meta in behind.values())
        if not rows:
            return []
        active = self._active()
        scope = where(profile=profile, collection=collection, name=document, but=self._pending)
        wanted = self._rows(active, vector)[0] if vector else None
        return found_in(self._indexes[active], scope, rows, text, wanted, top)

    # What the above is made of

    def _newest_last(self) -> list[str]:
        return sorted(self._indexes, key=lambda name: int(name.partition("-")[2]))

    def _state(self, name: str) -> str:
        if name not in self._indexes:
            raise IndexGone
        state: str = self._indexes[name].metadata["state"]
        return state

    def _active(self) -> str:
        for name in reversed(self._newest_last()):
            if self._state(name) == "active":
                return name
        raise IndexGone

    def _shown(self, name: str) -> dict[str, Any]:
        return {"key": name, **self._indexes[name].metadata}

    def _drop(self, name: str) -> None:
        self._client.delete_collection(name)
        del self._indexes[name]
        self._todo.pop(name, None)

    def _remaining(self, index: str) -> dict[str, None]:
        """Passages that the index lacks; counted once, then kept in step."""
        if self._state(index) == "active":
            return {}
        if index not in self._todo:
            there = set(self._indexes[index].get(include=[])["ids"])
            every = self._indexes[self._active()].get(include=[])["ids"]
            self._todo[index] = {id_: None for id_ in every if id_ not in there and not self._is_pending(id_)}
        return self._todo[index]

    def _is_pending(self, chunk: str) -> bool:
        return chunk.partition(":")[0] == self._pending

    def _rows(self, index: str, vectors: bytes) -> list[list[float]]:
        """Raises IndexGone when they are not of this index: it took over meanwhile."""
        self._state(index)
        row = struct.Struct(f"<{self._indexes[index].metadata['dimensions']}f")
        if len(vectors) % row.size:
            raise IndexGone(f"{len(vectors)} bytes are not vectors of the index in use")
        return [list(values) for values in row.iter_unpack(vectors)]

    def _all(self, conditions: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
        found = self._records.get(where=conditions, include=["metadatas"])
        return dict(zip(found["ids"], found["metadatas"], strict=True))

    def _stored(self, **conditions: str | None) -> dict[str, dict[str, Any]]:
        return self._all(where(state="stored", **conditions))

    def _keep(self, metas: dict[str, dict[str, Any]]) -> None:
        ids = list(metas)
        for part in self._parts(ids):
            self._records.upsert(
                ids=part,
                embeddings=[[float(metas[id_]["number"])] for id_ in part],  # each must have one; nobody asks by it
                metadatas=[metas[id_] for id_ in part],
            )

    def _announced(self, id: str, index: str) -> dict[str, Any]:
        """Its record. Raises IndexGone when it was given up, or another index took over."""
        if id != self._pending or self._state(index) != "active":
            raise IndexGone
        return self._records.get(ids=[id], include=["metadatas"])["metadatas"][0]  # type: ignore[no-any-return]

    def _abandon(self) -> None:
        """The asker of the last document left before it was whole."""
        if self._pending is not None:
            self._remove([self._pending])
            self._pending = None

    def _remove(self, ids: list[str]) -> None:
        """Their passages first: while a record is there, the next start takes up what is left of it."""
        for part in self._parts(ids):
            for index in self._indexes.values():
                index.delete(where={"document": {"$in": part}})
            self._records.delete(ids=part)
        self._todo.clear()

    def _parts(self, ids: list[str]) -> Iterator[list[str]]:
        for start in range(0, len(ids), _AT_ONCE):
            yield ids[start : start + _AT_ONCE]
