"""The question to the reranker, if there is one."""

from __future__ import annotations

from pydantic import Field

from solo.bus import Request

MOST_TEXTS = 40
"""Of one question."""


class Rerank(Request[tuple[float, ...]]):
    """How well does each of these texts answer the query? 0 to 1 for each, in their order; higher is better."""

    idempotent = True

    query: str
    """In plain words; a long one is cut."""
    texts: tuple[str, ...] = Field(min_length=1, max_length=MOST_TEXTS)
    """Passages; long ones are cut."""
