"""Keeps the last turns whole. Whatever goes wrong with that is told once, and is never a turn's business."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.blackbox.cutting import LIVE, Cut, begin, cut
from services.blackbox.reels import ALONE, Reel, Reels, closes
from services.blackbox.shelf import Shelf
from services.messages.blackbox import DescribeKeptTurn, FetchKeptTurn, ForgetKeptTurns, KeptTurn, ListKeptTurns
from services.messages.config import DescribeConfig
from services.messages.conversation import Failed, TurnFinished, TurnSummary
from services.messages.invariants import InvariantViolated
from services.messages.profiles import OWNER
from solo.bus.tap import Published, Seen
from solo.errors import SoloError
from solo.supervision import Context

LINGERS_S = 1.5
"""After its end a turn is watched for so long, since its last facts come behind it."""
TIDY_EVERY_S = 600.0
_SEEN = 20_000
"""Seconds of everything: more waits only when the loop is held."""
_WAITING = 8
"""Turns that wait to be written; more are not kept."""
_CONFIG_WITHIN_S = 5.0

InThread = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Counts:
    """Outlive a crash of the service."""

    kept: int = 0
    lost: int = 0
    """Turns that were not kept, for the disk or for want of time."""


class BlackBoxService:
    name = "blackbox"

    def __init__(self, shelf: Shelf, counts: Counts, in_thread: InThread = asyncio.to_thread) -> None:
        self._shelf = shelf
        self._counts = counts
        self._in_thread = in_thread
        self._reels = Reels()
        self._lock = asyncio.Lock()
        self._settings: dict[str, Any] = {}
        self._writing: asyncio.Queue[Cut] = asyncio.Queue(_WAITING)
        self._failing = False

    async def run(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.answer(ListKeptTurns, self._list))
            tasks.create_task(ctx.answer(DescribeKeptTurn, self._describe))
            tasks.create_task(ctx.answer(FetchKeptTurn, self._fetch, limit=2))
            tasks.create_task(ctx.answer(ForgetKeptTurns, self._forget))
            work = [tasks.create_task(self._tidy(ctx))]
            if self._shelf.limits.turns:
                work.append(tasks.create_task(self._learn_settings(ctx)))
                work.append(tasks.create_task(self._watch(ctx)))
                work.append(tasks.create_task(self._write(ctx)))
            ctx.ready()
            await ctx.stopping.wait()
            for task in work:
                task.cancel()

    # -- recording -------------------------------------------------------------------------------

    async def _watch(self, ctx: Context) -> None:
        with ctx.tapped(_SEEN) as tap:
            while True:
                for seen in await tap.some():
                    self._see(ctx, seen)
                await asyncio.sleep(0)

    def _see(self, ctx: Context, seen: Seen) -> None:
        reel = self._reels.see(seen)
        if reel is None or not isinstance(seen, Published):
            return
        event = seen.event
        if isinstance(event, TurnFinished):
            self._later(ctx, reel, event.summary, seen.at)
        elif isinstance(event, InvariantViolated):
            self._later(ctx, reel, _stuck(event, reel), seen.at)
        elif closes(seen):
            asyncio.get_running_loop().call_later(2 * LINGERS_S, self._reels.drop_closed, reel)

    def _later(self, ctx: Context, reel: Reel, summary: TurnSummary, at: float) -> None:
        asyncio.get_running_loop().call_later(LINGERS_S, self._cut, ctx, reel, summary, at)

    def _cut(self, ctx: Context, reel: Reel, summary: TurnSummary, at: float) -> None:
        begun = begin(reel)
        made = cut(reel, summary, self._reels.house(begun), self._settings)
        reel.over(at, begun)
        if reel.name.startswith(ALONE):
            self._reels.drop(reel.name)
        try:
            self._writing.put_nowait(made)
        except asyncio.QueueFull:
            self._counts.lost += 1
            ctx.log.debug("a turn is not kept: others wait to be written", turn_id=summary.turn_id)

    async def _write(self, ctx: Context) -> None:
        while True:
            made = await self._writing.get()
            try:
                async with self._lock:
                    await self._in_thread(self._shelf.put, made)
            except OSError as error:
                self._counts.lost += 1
                self._tell(ctx, f"turns are not kept: {error.strerror or error}")
            else:
                self._counts.kept += 1
                self._tell(ctx, "")

    def _tell(self, ctx: Context, failure: str) -> None:
        """Once, when it begins, and once when it is over."""
        if bool(failure) == self._failing:
            return
        self._failing = bool(failure)
        if failure:
            ctx.log.warning(failure)
            ctx.degraded(failure)
        else:
            ctx.ready()

    async def _learn_settings(self, ctx: Context) -> None:
        """They are part of every recording: what is played again has to be set as it was."""
        while True:
            try:
                known = await ctx.request(DescribeConfig(), within=_CONFIG_WITHIN_S)
                live = tuple(f"{name}." for name in LIVE)
                self._settings = {one.path: one.value for one in known if one.path.startswith(live)}
            except SoloError as error:
                ctx.log.debug("the settings are not known", code=error.code)
            await asyncio.sleep(TIDY_EVERY_S)

    async def _tidy(self, ctx: Context) -> None:
        """The clock of what is kept runs also while nobody speaks."""
        while True:
            try:
                async with self._lock:
                    await self._in_thread(self._shelf.tidy)
            except OSError as error:
                ctx.log.warning("old turns cannot be removed", error=str(error))
            await asyncio.sleep(TIDY_EVERY_S)

    # -- questions -------------------------------------------------------------------------------

    async def _list(self, question: ListKeptTurns) -> tuple[KeptTurn, ...]:
        async with self._lock:
            found: tuple[KeptTurn, ...] = await self._in_thread(self._shelf.list, question.profile)
            return found

    async def _describe(self, question: DescribeKeptTurn) -> dict[str, Any] | None:
        async with self._lock:
            found = await self._in_thread(self._shelf.manifest, question.kept, question.profile)
            return None if found is None else found.model_dump(mode="json")

    async def _fetch(self, question: FetchKeptTurn) -> bytes | None:
        async with self._lock:
            found: bytes | None = await self._in_thread(self._shelf.content, question.kept, question.profile)
            return found

    async def _forget(self, question: ForgetKeptTurns) -> int:
        async with self._lock:
            gone: int = await self._in_thread(
                lambda: self._shelf.forget(question.profile, id_=question.kept, talk=question.talk)
            )
            return gone


def _stuck(event: InvariantViolated, reel: Reel) -> TurnSummary:
    """A turn that is stuck has no summary, and perhaps not even an id."""
    return TurnSummary(
        turn_id=event.violated_turn or f"stuck-{uuid.uuid4().hex[:8]}",
        at=datetime.now(UTC).isoformat(),
        source=event.source,
        talk="default",
        profile=reel.profile or OWNER,
        heard="",
        said="",
        outcome="failed",
        error=Failed(code=f"invariant.{event.invariant}", message=event.detail),
    )
