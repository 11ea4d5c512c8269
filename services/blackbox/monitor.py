"""Watches that what must be true of every turn is true; what is not is told, counted and healed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from services.blackbox.invariants import Violation, Watch
from services.messages.audio import SoundCaptured, SoundHeard, StopSound
from services.messages.invariants import CancelTurn, DescribeInvariants, InvariantState, InvariantViolated
from services.messages.playback import DescribePlayback, ResumePlayback
from services.messages.turntaking import EndUtterance
from solo.bus import Event, Overflow, in_turn
from solo.errors import SoloError
from solo.supervision import Context

EVERY_S = 1.0
_WITHIN_S = 2.0
_EVENTS = 4096
_NOTED_S = 3600.0
"""`/status` shows a violation for so long."""

Healed = Literal["cancelled", "silenced", "ended", "resumed", "nothing"]


@dataclass(slots=True)
class Tally:
    """Outlives a crash of the service."""

    violations: Counter[str] = field(default_factory=Counter)


class InvariantsService:
    name = "invariants"

    def __init__(self, watch: Watch, tally: Tally) -> None:
        self._watch = watch
        self._tally = tally
        self._noted: float | None = None

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look(ctx))
            tasks.create_task(ctx.answer(DescribeInvariants, self._describe))
            async with ctx.subscribe(Event, limit=_EVENTS, overflow=Overflow.DROP_OLDEST) as facts:
                ctx.ready()
                async for fact in facts:
                    if not isinstance(fact, SoundCaptured | SoundHeard):
                        self._watch.see(fact, time.monotonic())
            looking.cancel()

    async def _look(self, ctx: Context) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            if self._watch.is_busy(now):
                await self._look_at_playback(ctx)
                for violation in list(self._watch.due(time.monotonic())):
                    await self._heal(ctx, violation)
            elif self._noted is not None and now - self._noted > _NOTED_S:
                self._noted = None
                ctx.ready()

    async def _look_at_playback(self, ctx: Context) -> None:
        try:
            playbacks = await ctx.request(DescribePlayback(), within=_WITHIN_S)
        except SoloError as error:
            ctx.log.debug("nobody says what is played", code=error.code)
        else:
            self._watch.playing(playbacks, time.monotonic())

    async def _heal(self, ctx: Context, found: Violation) -> None:
        self._tally.violations[found.invariant] += 1
        healed = await self._healed(ctx, found)
        ctx.publish(
            InvariantViolated(
                turn_id=found.turn,
                invariant=found.invariant,
                source=found.source,
                violated_turn=found.turn,
                detail=found.detail,
                healed=healed,
            )
        )
        ctx.log.warning(
            "a turn is not as it must be", invariant=found.invariant, source=found.source, turn_id=found.turn,
            detail=found.detail, healed=healed,
        )  # fmt: skip
        self._noted = time.monotonic()
        ctx.ready(note=f"{self._tally.violations.total()} violations, last: {found.invariant}, {found.detail}")

    async def _healed(self, ctx: Context, found: Violation) -> Healed:
        if found.heal == "end":
            ctx.publish(EndUtterance(source=found.source))
            return "ended"
        if found.heal == "resume":
            return "resumed" if await _asked(ctx, ResumePlayback(source=found.source)) else "nothing"
        if found.heal == "cancel" and found.turn is not None:
            cancelled = await _asked(ctx, CancelTurn(cancelled_turn=found.turn))
            if cancelled:
                return "cancelled"
        with in_turn(found.turn):  # whose sound it is
            return "silenced" if await _asked(ctx, StopSound(source=found.source)) else "nothing"

    async def _describe(self, _: DescribeInvariants) -> InvariantState:
        return InvariantState(turns=self._watch.seen, open=self._watch.open, violations=dict(self._tally.violations))


async def _asked(ctx: Context, question: Any) -> bool:
    """Whether somebody did it."""
    try:
        return bool(await ctx.request(question, within=_WITHIN_S) is not False)
    except SoloError as error:
        ctx.log.debug("it could not be healed so", code=error.code)
        return False
