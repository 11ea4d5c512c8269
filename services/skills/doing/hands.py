"""What all skills work with."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.messages.skills import RunSkill, SkillReply
from services.skills.languages.language import Language, Wording
from services.skills.matching import Asked
from services.skills.own.shelf import NOTHING, Own
from services.skills.timers.keeper import Keeper
from services.skills.timers.ringing import Ringer
from services.skills.timers.timer import Clock
from solo.supervision import Context

ANSWER_WITHIN_S = 20.0
"""An answer to what a skill asked back is taken for one so long."""
_MOST_ASKED = 64


@dataclass(frozen=True, slots=True)
class WallTime:
    """The clock on the wall of a time zone, with its summer time; None: the system's."""

    zone: ZoneInfo | None

    def local(self, stamp: float) -> datetime:
        return datetime.fromtimestamp(stamp, UTC).astimezone(self.zone).replace(tzinfo=None)

    def stamp(self, local: datetime) -> float:
        """A time that summer time skips is as much later; one that comes twice is the first."""
        return (local.replace(tzinfo=self.zone) if self.zone else local).astimezone(UTC).timestamp()


@dataclass(slots=True)
class Hands:
    ctx: Context
    language: Language
    clock: Clock
    wall_time: WallTime
    keeper: Keeper
    ringer: Ringer
    later: Callable[[Awaitable[None]], None]
    """Do it behind the answer."""
    own: Own = NOTHING
    """What somebody's files say; another one when they change."""
    _asked: OrderedDict[str, tuple[float, Asked]] = field(default_factory=OrderedDict)
    volumes: dict[str, float] = field(default_factory=dict)
    """How loud a source was before it was muted."""

    @property
    def words(self) -> Wording:
        return self.language.wording

    def now(self) -> datetime:
        """By the clock on the wall."""
        return self.wall_time.local(self.clock.wall())

    def say(self, sentence: str, **values: str) -> SkillReply:
        return SkillReply(say=self.words.say(sentence, **values))

    def ask(self, profile: str, asked: Asked, sentence: str, **values: str) -> SkillReply:
        """Ask back; the answer is matched as one of `asked.skill`."""
        self._asked[profile] = (asyncio.get_running_loop().time() + ANSWER_WITHIN_S, asked)
        self._asked.move_to_end(profile)
        while len(self._asked) > _MOST_ASKED:
            self._asked.popitem(last=False)
        return SkillReply(say=self.words.say(sentence, **values), listen=True)

    def asked(self, profile: str) -> Asked | None:
        until, asked = self._asked.get(profile, (0.0, None))
        return asked if asyncio.get_running_loop().time() < until else None

    def answered(self, profile: str) -> None:
        self._asked.pop(profile, None)


Doing = Callable[[Hands, RunSkill], Awaitable[SkillReply]]
