"""The last turns, for the dashboard, until there is a database to ask."""

from __future__ import annotations

from collections import deque

from services.messages.conversation import TurnFinished, TurnSummary
from solo.bus import Overflow
from solo.supervision import Context

MOST = 20


class RecentTurns:
    """Outlives a crash of its service: made where the service is declared."""

    def __init__(self) -> None:
        self._turns: deque[TurnSummary] = deque(maxlen=MOST)

    async def follow(self, ctx: Context) -> None:
        async with ctx.subscribe(TurnFinished, limit=256, overflow=Overflow.DROP_OLDEST) as finished:
            async for event in finished:
                self._turns.append(event.summary)

    def newest_first(self) -> tuple[TurnSummary, ...]:
        return tuple(reversed(self._turns))

    def tokens_per_s(self) -> float | None:
        """Decoding speed of the last turn that decoded anything."""
        speeds = (turn.tokens.per_second for turn in reversed(self._turns) if turn.tokens is not None)
        return next((speed for speed in speeds if speed is not None), None)
