"""Answers what needs no model: matches words at once, acts once the turn is decided, tells what has run out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.messages.skills import MatchSkill, RunSkill, SkillMatch, SkillReply
from services.messages.timers import CancelTimer, ListTimers, Timer
from services.messages.turntaking import BargeInDecided, Verdict
from services.skills.doing import changing, conversing, knowing, own, reckoning, setting, telling
from services.skills.doing.hands import Doing, Hands, WallTime
from services.skills.languages.language import Language
from services.skills.matching import Matcher
from services.skills.own.shelf import Shelf
from services.skills.sentences import Compiler
from services.skills.timers.announcing import over
from services.skills.timers.keeper import Keeper, NoTimer, Store, TimersUnavailable, TooManyTimers
from services.skills.timers.ringing import Ringer
from services.skills.timers.timer import Clock
from solo.bus import Overflow
from solo.storage import DatabaseError
from solo.supervision import Context

DOING: Mapping[str, Doing] = {
    **conversing.DOING,
    **telling.DOING,
    **reckoning.DOING,
    **setting.DOING,
    **changing.DOING,
    **knowing.DOING,
}
"""By the id of the skill."""
_MOST_BEHIND = 16
"""Things that are done behind the answers, at a time."""


@dataclass(frozen=True, slots=True)
class Policy:
    language: Language
    compiler: Compiler
    folder: Path
    look_every_s: float
    wall_time: WallTime
    times: int
    """How often it is told that a timer has run out."""
    every_s: float
    off_loop: Callable[..., Awaitable[Any]] = asyncio.to_thread
    """Where compiling and reading files is done, which take longer than the loop may be held."""


class SkillsService:
    name = "skills"

    def __init__(self, policy: Policy, store: Store, clock: Clock) -> None:
        self._policy = policy
        self._store = store
        self._clock = clock
        self._behind: set[asyncio.Task[None]] = set()

    async def run(self, ctx: Context) -> None:
        policy = self._policy
        self._matcher: Matcher = await self._policy.off_loop(Matcher, policy.language, policy.compiler)
        async with asyncio.TaskGroup() as tasks:
            self._hands = self._made(ctx, tasks)
            shelf = Shelf(policy.folder, policy.language, policy.compiler)
            lasting = [
                tasks.create_task(self._hands.keeper.run(), name="timers"),
                tasks.create_task(self._watch(ctx, shelf), name="skill files"),
                tasks.create_task(self._listen(ctx), name="interruptions"),
            ]
            await asyncio.sleep(0)  # they have subscribed by then
            async with asyncio.TaskGroup() as answering:
                answering.create_task(ctx.answer(RunSkill, self._run))
                answering.create_task(ctx.answer(ListTimers, self._list))
                answering.create_task(ctx.answer(CancelTimer, self._cancel))
                answering.create_task(ctx.answer(MatchSkill, self._match, limit=256))
            for task in (*lasting, *self._behind):
                task.cancel()
            self._hands.ringer.stop()

    def _made(self, ctx: Context, tasks: asyncio.TaskGroup) -> Hands:
        policy, clock = self._policy, self._clock
        ringer = Ringer(
            ctx,
            tasks,
            self._store,
            clock,
            wording=lambda entries: over(entries, clock, policy.wall_time, policy.language.wording),
            times=policy.times,
            every_s=policy.every_s,
            language=policy.language.code,
        )

        def later(work: Awaitable[None]) -> None:
            if len(self._behind) < _MOST_BEHIND:
                task = tasks.create_task(_awaited(work))
                self._behind.add(task)
                task.add_done_callback(self._behind.discard)

        return Hands(
            ctx=ctx,
            language=policy.language,
            clock=clock,
            wall_time=policy.wall_time,
            keeper=Keeper(self._store, clock, ringer.ring, ctx.publish),
            ringer=ringer,
            later=later,
        )

    async def _match(self, question: MatchSkill) -> SkillMatch | None:
        """Takes a millisecond, so it is done on the loop."""
        hands = self._hands
        return self._matcher.match(question.text, asked=hands.asked(question.profile), own=hands.own.templates)

    async def _run(self, question: RunSkill) -> SkillReply:
        hands = self._hands
        hands.answered(question.profile)
        doing = own.do if question.match.skill.startswith("own.") else DOING.get(question.match.skill)
        if doing is None:
            return hands.say("skill_gone")
        try:
            return await doing(hands, question)
        except TooManyTimers:
            return hands.say("too_many")
        except NoTimer:
            return hands.say("none_such", kind="timer")
        except (DatabaseError, TimersUnavailable) as error:
            hands.ctx.log.warning("a skill failed", skill=question.match.skill, error=error.line())
            return hands.say("not_kept")

    async def _list(self, question: ListTimers) -> tuple[Timer, ...]:
        hands = self._hands
        ringing = [entry.shown(self._clock, ringing=True) for entry in hands.ringer.of(question.profile)]
        return (*ringing, *(entry.shown(self._clock) for entry in await hands.keeper.of(question.profile)))

    async def _cancel(self, question: CancelTimer) -> Timer:
        """Somebody else's is as if it did not exist."""
        hands = self._hands
        if (ringing := hands.ringer.dismiss(question.profile, question.timer_id)) is not None:
            return ringing.shown(self._clock, ringing=True)
        for entry in await hands.keeper.of(question.profile):
            if entry.id == question.timer_id:
                await hands.keeper.remove([entry])
                return entry.shown(self._clock)
        raise NoTimer(f"there is no timer {question.timer_id}", hint="`solo timers list` shows them.")

    async def _listen(self, ctx: Context) -> None:
        """Who speaks over an announcement has heard it; who says stop wants no more of it."""
        async with ctx.subscribe(BargeInDecided, limit=64, overflow=Overflow.DROP_OLDEST) as decided:
            async for event in decided:
                if event.verdict is Verdict.INTERRUPT:
                    self._hands.ringer.interrupted(event.source)
                    if event.why == "stop":
                        self._hands.ringer.silence(source=event.source)

    async def _watch(self, ctx: Context, shelf: Shelf) -> None:
        """Reads the folder at the start, and again when something in it has changed."""
        first = True
        while True:
            if first or await self._policy.off_loop(shelf.changed):
                self._hands.own, new = await self._policy.off_loop(shelf.read)
                for problem in new:
                    ctx.log.warning("a skill file is left out", error=problem.line())
                if not first:
                    ctx.log.info("skill files were read", skills=len(self._hands.own.skills))
                left_out = shelf.problems
                ctx.ready(f"{len(left_out)} skill files left out: {left_out[0].line()}" if left_out else "")
                first = False
            await asyncio.sleep(self._policy.look_every_s)


async def _awaited(work: Awaitable[None]) -> None:
    await work
