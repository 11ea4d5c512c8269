"""The memory's own questions to the embedder."""

from __future__ import annotations

from collections.abc import Sequence

from services.messages.passages import Embed, Vectors
from solo.supervision import Context

QUERY_WITHIN_S = 5.0
BACKGROUND_WITHIN_S = 300.0
"""A queue of other documents may be before it."""


async def embed(ctx: Context, texts: Sequence[str]) -> Vectors:
    """At once: a question, a fact."""
    return await ctx.request(Embed(texts=tuple(texts)), within=QUERY_WITHIN_S)


async def embed_in_background(ctx: Context, texts: Sequence[str]) -> Vectors:
    """Passages, behind everything that somebody waits for."""
    return await ctx.request(Embed(texts=tuple(texts), background=True), within=BACKGROUND_WITHIN_S)


def rows(vectors: Vectors) -> list[bytes]:
    """One a text."""
    size = 4 * vectors.dimensions
    return [vectors.data[at : at + size] for at in range(0, len(vectors.data), size)]
