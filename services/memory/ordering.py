"""Puts passages in the order that the reranker gives them, as far as there is one and there is time for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.messages.memory import Hit
from services.messages.reranking import MOST_TEXTS, Rerank
from solo.bus import DeadlineExceeded
from solo.errors import SoloError
from solo.supervision import Context

_TIMES = 4
"""Passages looked at for each that is wanted."""
_MOST_QUERY_CHARS = 4000
"""As many as a search may have."""
_PASSAGE_S = 0.045
"""What a passage takes, until the reranker has shown it: that of a model of six layers on two shared cores, see
`MOST_AT_ONCE` in adapters/onnx_model.py."""
_PLANNED = 0.7
"""Share of the time that is planned for; the rest is for passages that take longer than those before."""
_LEARNT = 0.3
"""Weight of the newest measurement."""
_EASED = 0.9
"""Each time that nothing was asked for want of time: one bad moment is not held against the reranker for ever."""


class Ordering:
    """`reranks`: there is a reranker. Without one, and whenever it is away or late, the order stays as it was."""

    def __init__(self, ctx: Context, *, reranks: bool) -> None:
        self._ctx = ctx
        self._reranks = reranks
        self._passage_s = _PASSAGE_S

    def candidates(self, top: int) -> int:
        """How many passages to look for where `top` are wanted."""
        return max(top, min(top * _TIMES, MOST_TEXTS)) if self._reranks else top

    async def ordered(self, query: str, hits: Sequence[Hit], within: float) -> Sequence[Hit]:
        """The best first of those that can be compared within `within` seconds, then the others as they were.

        Their scores stay what they were: how much likeness is enough is known, of a reranker's scores it is not.
        """
        if not self._reranks or len(hits) < 2:
            return hits
        most = min(int(within * _PLANNED / self._passage_s), len(hits), MOST_TEXTS)
        if most < 2:
            self._passage_s *= _EASED
            return hits
        try:
            scores = await self._scores(query, hits[:most], within)
        except SoloError as error:
            self._ctx.log.warning("passages were not reranked", code=error.code)
            return hits
        best = sorted(range(most), key=scores.__getitem__, reverse=True)  # equal ones stay as they were
        return [*(hits[at] for at in best), *hits[most:]]

    async def _scores(self, query: str, hits: Sequence[Hit], within: float) -> Sequence[float]:
        """Also learns how long it takes."""
        clock = asyncio.get_running_loop().time
        began = clock()
        asked = Rerank(query=query[:_MOST_QUERY_CHARS], texts=tuple(hit.text for hit in hits))
        try:
            scores = await self._ctx.request(asked, within=within)
        except DeadlineExceeded:
            self._passage_s = max(self._passage_s, (clock() - began) / len(hits))
            raise
        self._passage_s += _LEARNT * ((clock() - began) / len(hits) - self._passage_s)
        return scores
