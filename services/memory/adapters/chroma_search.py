"""Searching a collection of Chroma: by vectors and by words, fused."""

from __future__ import annotations

import math
from typing import Any, TypedDict

from services.memory.adapters.fusion import fuse
from services.memory.adapters.wording import telling_words, words

CANDIDATES = 50
"""From each side, at least."""
_MOST_OF_A_WORD = 200
"""Passages that are taken for a word; of a word that more of them have, any."""
_MOST_WORDS = 8
_LEAST_LETTERS = 3
"""Chroma finds strings by their trigrams; for a shorter one it reads everything."""
_AT_ONCE = 2_000


class Found(TypedDict):
    text: str
    likeness: float
    """Cosine."""
    meta: dict[str, Any]


def where(*, but: str | None = None, **equal: str | None) -> dict[str, Any] | None:
    """Chroma's filter: all that are given are equal, and the document is not `but`."""
    conditions: list[dict[str, Any]] = [{name: value} for name, value in equal.items() if value is not None]
    if but is not None:
        conditions.append({"document": {"$ne": but}})
    return {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else None


def found_in(
    collection: Any, scope: dict[str, Any] | None, rows: int, text: str, vector: list[float] | None, top: int
) -> list[Found]:
    """`scope`: see `where`. `rows`: passages behind it. `vector`: None: by words only."""
    candidates = max(CANDIDATES, top)
    found: dict[str, Found] = {}
    near = [] if vector is None else _near(collection, scope, rows, vector, candidates, found)
    matching = _matching(collection, scope, text, vector, candidates, found)
    return [found[id_] for id_ in fuse([near, matching], top)]


def _near(
    collection: Any,
    scope: dict[str, Any] | None,
    rows: int,
    vector: list[float],
    candidates: int,
    found: dict[str, Found],
) -> list[str]:
    answer = collection.query(
        query_embeddings=[vector],
        n_results=min(candidates, rows),
        where=scope,
        include=["documents", "metadatas", "distances"],
    )
    ids: list[str] = answer["ids"][0]
    if len(ids) < min(candidates, rows):
        # HNSW did not find enough that pass the filter: look at each of them.
        ids = _nearest(collection, scope, vector, candidates)
        answer = collection.get(ids=ids, include=["documents", "metadatas", "embeddings"])
        _take(answer, vector, found)
        return ids
    for id_, text, meta, distance in zip(
        ids, answer["documents"][0], answer["metadatas"][0], answer["distances"][0], strict=True
    ):
        found[id_] = Found(text=text, likeness=1.0 - float(distance), meta=meta)
    return ids


def _nearest(collection: Any, scope: dict[str, Any] | None, vector: list[float], most: int) -> list[str]:
    import numpy as np

    wanted = np.asarray(vector, np.float32)
    best: list[tuple[float, str]] = []
    start = 0
    while True:
        part = collection.get(where=scope, limit=_AT_ONCE, offset=start, include=["embeddings"])
        if not part["ids"]:
            return [id_ for _, id_ in best]
        likeness = (np.asarray(part["embeddings"], np.float32) @ wanted).tolist()
        best = sorted([*best, *zip(likeness, part["ids"], strict=True)], reverse=True)[:most]
        start += _AT_ONCE


def _matching(
    collection: Any,
    scope: dict[str, Any] | None,
    text: str,
    vector: list[float] | None,
    candidates: int,
    found: dict[str, Found],
) -> list[str]:
    """Words count by their rarity, as far as that shows in what was found."""
    asked = telling_words(text)
    long = sorted((word for word in asked if len(word) >= _LEAST_LETTERS), key=len, reverse=True)[:_MOST_WORDS]
    texts: dict[str, str] = {}
    for word in long:
        forms = dict.fromkeys([word, word.capitalize(), word.upper()])  # its search minds the case
        conditions = [{"$contains": form} for form in forms]
        answer = collection.get(
            where=scope,
            where_document={"$or": conditions} if len(conditions) > 1 else conditions[0],
            limit=_MOST_OF_A_WORD,
            include=["documents"],
        )
        texts |= zip(answer["ids"], answer["documents"], strict=True)
    there = {
        id_: set(words(passage)) | {word for word in long if word in passage.casefold()}
        for id_, passage in texts.items()
    }
    weights = {word: math.log(1 + len(there) / (1 + sum(word in each for each in there.values()))) for word in asked}
    ranks = {id_: sum(weights[word] for word in asked if word in each) for id_, each in there.items()}
    best = sorted(ranks, key=ranks.__getitem__, reverse=True)[:candidates]
    unknown = [id_ for id_ in best if id_ not in found]
    if unknown:
        include = ["documents", "metadatas"] + ([] if vector is None else ["embeddings"])
        _take(collection.get(ids=unknown, include=include), vector, found)
    return best


def _take(answer: Any, vector: list[float] | None, found: dict[str, Found]) -> None:
    import numpy as np

    likeness = [0.0] * len(answer["ids"])
    if vector is not None and answer["ids"]:
        likeness = (np.asarray(answer["embeddings"], np.float32) @ np.asarray(vector, np.float32)).tolist()
    for id_, text, meta, like in zip(answer["ids"], answer["documents"], answer["metadatas"], likeness, strict=True):
        found[id_] = Found(text=text, likeness=like, meta=meta)
