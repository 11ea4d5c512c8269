"""The memory's embedder, for those who want vectors and no language model."""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence

from services.messages.memory import DescribeMemory
from services.messages.passages import Embed
from solo.errors import SoloError
from solo.supervision import Context

_LOOK_WITHIN_S = 5.0
_WITHIN_S = 120.0
MOST_TEXTS = 256
"""Of one question to it."""
_FEW = 8
"""So many texts are as urgent as a question to the memory; more wait behind those."""


async def embedder_of(ctx: Context) -> str | None:
    """Its name; None: nobody says so now."""
    try:
        return (await ctx.request(DescribeMemory(), within=_LOOK_WITHIN_S)).embedder
    except SoloError:
        return None


async def vectors_of(ctx: Context, texts: Sequence[str]) -> tuple[str, list[tuple[float, ...]]]:
    """The model's name, and for each text a vector of length 1. Raises the bus's errors."""
    model = ""
    vectors: list[tuple[float, ...]] = []
    for place in range(0, len(texts), MOST_TEXTS):
        asked = Embed(texts=tuple(texts[place : place + MOST_TEXTS]), background=len(texts) > _FEW)
        made = await ctx.request(asked, within=_WITHIN_S)
        model = made.model
        numbers = array.array("f", made.data)
        if sys.byteorder == "big":
            numbers.byteswap()
        size = made.dimensions
        vectors += [tuple(numbers[row : row + size]) for row in range(0, len(numbers), size)]
    return model, vectors
