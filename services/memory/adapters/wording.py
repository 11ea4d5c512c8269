"""What the stores do with texts: characters that cannot be kept are taken out, and words are cut."""

from __future__ import annotations

import re
from dataclasses import replace

from services.memory.store import NewDocument, Query

_WORD = re.compile(r"\w+")
_SAY_NOTHING = (
    "a about all an and any are as at be been but by can could did do does for from had has have he her him his how i"
    " if in into is it its may me more most my no not now of on or our out she should so than that the their them then"
    " there these they this those to up us was we were what when where which who why will with would you your"
)
_STOP_WORDS = frozenset(_SAY_NOTHING.split())


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


def telling_words(text: str) -> list[str]:
    """Without those of English that are in every text."""
    return [word for word in words(text) if word not in _STOP_WORDS]
