"""The last turns of each profile, and those under way that were asked here, until there is a database to ask."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from services.api.figures import Figures
from services.api.voice_figures import FOLLOWED, VoiceFigures
from services.messages.conversation import TurnFinished, TurnSummary
from services.messages.pool import QuestionAnswered
from solo.bus import Event, Overflow
from solo.supervision import Context

MOST = 100
"""Turns kept of each profile."""
MOST_PROFILES = 64
"""Profiles of which turns are kept; the one whose last turn is the oldest goes first."""
SHOWN = 20
"""Turns in a snapshot of everything (`/status`)."""
_SUMMARY_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class _Underway:
    profile: str
    cancel: Callable[[], None]


def new_turn_id() -> str:
    """For a question that is about to be asked. Never taken from outside: chats are kept by it."""
    return uuid.uuid4().hex[:12]


class RecentTurns:
    """Outlives a crash of its service: made where the service is declared."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, deque[TurnSummary]] = OrderedDict()
        self._underway: dict[str, _Underway] = {}
        self._awaited: dict[str, asyncio.Future[TurnSummary]] = {}
        self._tokens_per_s: float | None = None
        self.figures = Figures()
        self.voice = VoiceFigures()

    async def follow(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_turns(ctx))
            tasks.create_task(self._follow_questions(ctx))
            for kind in FOLLOWED:
                tasks.create_task(self._follow_voice(ctx, kind))

    async def _follow_turns(self, ctx: Context) -> None:
        async with ctx.subscribe(TurnFinished, limit=256, overflow=Overflow.DROP_OLDEST, through_drain=True) as box:
            async for event in box:
                self.add(event.summary)
                self.figures.of_turn(event.summary)

    async def _follow_questions(self, ctx: Context) -> None:
        async with ctx.subscribe(QuestionAnswered, limit=1024, overflow=Overflow.DROP_OLDEST) as box:
            async for event in box:
                self.figures.of_question(event)

    async def _follow_voice(self, ctx: Context, kind: type[Event]) -> None:
        async with ctx.subscribe(kind, limit=256, overflow=Overflow.DROP_OLDEST) as box:
            async for event in box:
                self.voice.take(event)

    def add(self, turn: TurnSummary) -> None:
        self._turns.setdefault(turn.profile, deque(maxlen=MOST)).append(turn)
        self._turns.move_to_end(turn.profile)
        while len(self._turns) > MOST_PROFILES:
            self._turns.popitem(last=False)
        if turn.tokens is not None and turn.tokens.per_second is not None:
            self._tokens_per_s = turn.tokens.per_second
        awaited = self._awaited.get(turn.turn_id)
        if awaited is not None and not awaited.done():
            awaited.set_result(turn)

    def newest_first(self, profile: str, limit: int = SHOWN, before: datetime | None = None) -> tuple[TurnSummary, ...]:
        """`before`: only what began before this time."""
        found = reversed(self._turns.get(profile, ()))
        if before is not None:
            found = (turn for turn in found if datetime.fromisoformat(turn.at) < before)
        return tuple(islice(found, limit))

    def find(self, profile: str, turn_id: str) -> TurnSummary | None:
        """None also for a turn of somebody else."""
        return next((turn for turn in self._turns.get(profile, ()) if turn.turn_id == turn_id), None)

    def tokens_per_s(self) -> float | None:
        """Decoding speed of the last turn that decoded anything."""
        return self._tokens_per_s

    def forget(self, profile: str, talk: str) -> None:
        """A chat was forgotten: its turns are too."""
        kept = [turn for turn in self._turns.get(profile, ()) if turn.talk != talk]
        if profile in self._turns:
            self._turns[profile] = deque(kept, maxlen=MOST)

    # -- under way -------------------------------------------------------------------------------

    @contextmanager
    def underway(self, profile: str, turn_id: str, cancel: Callable[[], None]) -> Iterator[None]:
        """The turn is asked in this block; `cancel` is called when its owner wants it to end."""
        self._underway[turn_id] = _Underway(profile, cancel)
        try:
            yield
        finally:
            del self._underway[turn_id]

    def cancel(self, profile: str, turn_id: str) -> bool:
        """False: nobody of this profile is asking that here now."""
        turn = self._underway.get(turn_id)
        if turn is None or turn.profile != profile:
            return False
        turn.cancel()
        return True

    async def summary_of(self, turn_id: str) -> TurnSummary | None:
        """Of a turn that was just left: it says a moment later how far it came. None: it does not."""
        for turns in self._turns.values():
            for turn in turns:
                if turn.turn_id == turn_id:
                    return turn
        awaited = self._awaited[turn_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_SUMMARY_WITHIN_S):
                summary: TurnSummary = await awaited
                return summary
        except TimeoutError:
            return None
        finally:
            del self._awaited[turn_id]
