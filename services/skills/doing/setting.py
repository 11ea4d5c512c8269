"""Sets timers, alarms and reminders."""

from __future__ import annotations

import uuid

from services.messages.skills import RunSkill, SkillReply
from services.skills.doing.hands import Hands
from services.skills.doing.moments import moment
from services.skills.matching import Asked
from services.skills.timers.timer import Entry, Kind

SNOOZE_S = 9 * 60.0
_KINDS: dict[str, Kind] = {"timer": "timer", "alarm": "alarm", "reminder": "reminder"}


async def set_timer(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    kind = _KINDS[slots.get("kind", "timer")]
    seconds, name = float(slots["seconds"]), slots.get("name", "")
    await hands.keeper.add(counting(hands, question, kind, name, seconds))
    duration = hands.words.duration(seconds)
    if kind == "reminder":
        return hands.say("reminder_set", duration=duration)
    return hands.say("named_timer_set" if name else "timer_set", name=name, duration=duration)


async def ask_duration(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.ask(question.profile, Asked("duration", "timer.set", question.match.slots), "how_long")


async def set_alarm(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    kind = _KINDS[slots.get("kind", "alarm")]
    due = moment(slots, hands.clock.wall(), hands.wall_time, wake="wake" in slots)
    if due is None:
        return hands.say("alarm_past")
    entry = counting(hands, question, kind, slots.get("name", ""), due - hands.clock.wall())
    entry.by_clock, entry.length_s = True, 0.0
    entry.due_at = due
    await hands.keeper.add(entry)
    when = hands.words.when(hands.wall_time.local(due), hands.now())
    if kind == "reminder":
        return hands.say("reminder_set_at", when=when)
    return hands.say("named_alarm_set" if entry.name else "alarm_set", name=entry.name, when=when)


async def ask_moment(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.ask(question.profile, Asked("moment", "alarm.set", question.match.slots), "for_when")


async def repeating(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("repeating")


async def snooze(hands: Hands, question: RunSkill) -> SkillReply:
    silenced = hands.ringer.silence(profile=question.profile, source=question.source)
    if not silenced:
        return hands.say("nothing_rings")
    seconds = float(question.match.slots.get("seconds", SNOOZE_S))
    for entry in silenced:
        await hands.keeper.add(counting(hands, question, entry.kind, entry.name, seconds))
    return hands.say("snoozed", duration=hands.words.duration(seconds))


def counting(hands: Hands, question: RunSkill, kind: Kind, name: str, seconds: float) -> Entry:
    now = hands.clock.wall()
    return Entry(
        id=uuid.uuid4().hex,
        profile=question.profile,
        kind=kind,
        name=name,
        source="" if question.source == "text" else question.source,
        length_s=seconds,
        by_clock=False,
        set_at=now,
        due_at=now + seconds,
        boot=hands.clock.boot,
        due_steady=hands.clock.steady() + seconds,
    )


DOING = {
    "timer.set": set_timer,
    "timer.ask": ask_duration,
    "alarm.set": set_alarm,
    "alarm.ask": ask_moment,
    "alarm.every": repeating,
    "timer.snooze": snooze,
}
