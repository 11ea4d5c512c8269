"""The time and the date."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from services.messages.skills import RunSkill, SkillReply
from services.skills.doing.hands import Hands, WallTime


async def time(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("time", time=hands.words.clock(hands.now()))


async def time_there(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    there = WallTime(ZoneInfo(slots["zone"])).local(hands.clock.wall())
    return hands.say("time_there", place=slots["place"], time=hands.words.clock(there))


async def date(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("date", date=hands.words.full_date(hands.now()))


async def weekday(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("weekday", day=hands.words.weekday(hands.now()))


async def tomorrow(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("tomorrow", date=hands.words.full_date(hands.now() + timedelta(days=1)))


async def month(hands: Hands, question: RunSkill) -> SkillReply:
    now = hands.now()
    return hands.say("month", month=hands.words.month(now), year=str(now.year))


async def year(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("year", year=str(hands.now().year))


DOING = {
    "clock.time": time,
    "clock.time_there": time_there,
    "clock.date": date,
    "clock.weekday": weekday,
    "clock.tomorrow": tomorrow,
    "clock.month": month,
    "clock.year": year,
}
