"""What the stores do with texts: characters that cannot be kept are taken out, and words are cut."""

from __future__ import annotations

import re
from dataclasses import replace

from services.memory.store import NewDocument, Query

_WORD = re.compile(r"\w+")


def tidy(text: str) -> str:
    """Without NUL, which PostgreSQL cannot keep, and with `?` for halves of surrogate pairs, which are no UTF-8."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def tidy_document(document: NewDocument) -> NewDocument:
    return replace(
        document,
        collection=tidy(document.collection),
        name=tidy(document.name),
        chunks=tuple(chunk.model_copy(update={"text": tidy(chunk.text)}) for chunk in document.chunks),
    )


def tidy_query(query: Query) -> Query:
    return replace(
        query,
        text=tidy(query.text),
        collection=None if query.collection is None else tidy(query.collection),
        document=None if query.document is None else tidy(query.document),
    )


def words(text: str) -> list[str]:
    """In order, each once, in lower case."""
    return list(dict.fromkeys(_WORD.findall(text.casefold())))
