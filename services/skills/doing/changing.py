"""Tells of timers that are set, and changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.messages.skills import RunSkill, SkillReply
from services.skills.doing.hands import Hands
from services.skills.matching import Asked
from services.skills.timers.keeper import MOST_S
from services.skills.timers.timer import Entry

_MOST_TOLD = 8
"""Timers in one answer."""


async def left(hands: Hands, question: RunSkill) -> SkillReply:
    entries = await hands.keeper.of(question.profile)
    slots = question.match.slots
    found = _meant(hands, entries, slots, kind="")
    if not found and _meant(hands, hands.ringer.of(question.profile), slots, kind=""):
        return hands.say("run_out_now", name=_name(hands, hands.ringer.of(question.profile)[0]))
    if not found:
        return _none(hands, entries, slots, "timer")
    if len(found) > 1:
        return SkillReply(say=_listed(hands, found))
    entry = found[0]
    if entry.by_clock:
        when = hands.words.when(hands.wall_time.local(entry.due_at), hands.now())
        return hands.say("due_at", name=_name(hands, entry), when=when)
    said = "paused_left" if entry.paused_s is not None else "left" if len(entries) == 1 else "named_left"
    return hands.say(said, name=_name(hands, entry), left=_left(hands, entry))


async def tell_all(hands: Hands, question: RunSkill) -> SkillReply:
    kind = question.match.slots["kind"]
    entries = await hands.keeper.of(question.profile)
    found = [entry for entry in entries if kind == "timer" or entry.by_clock]
    if not found and (ringing := hands.ringer.of(question.profile)):
        return hands.say("run_out_now", name=_name(hands, ringing[0]))
    if not found:
        return hands.say(f"none_{kind}")
    return SkillReply(say=_listed(hands, found))


async def cancel(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    kind = slots.get("kind", "")
    ringing = _meant(hands, hands.ringer.of(question.profile), slots, kind=kind)
    if ringing:
        hands.ringer.silence(profile=question.profile)
        return hands.say("okay")
    entries = await hands.keeper.of(question.profile)
    found = _meant(hands, entries, slots, kind=kind)
    if not found:
        return _none(hands, entries, slots, kind or "timer")
    if len(found) > 1 and "all" not in slots:
        return _which(hands, question, found)
    await hands.keeper.remove(found)
    if len(found) > 1:
        return hands.say("cancelled_all")
    return hands.say("cancelled", name=_name(hands, found[0]))


async def add(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    seconds = float(slots["seconds"]) * (-1 if slots["sign"] == "-" else 1)
    entry = await _one(hands, question)
    if isinstance(entry, SkillReply):
        return entry
    remaining = entry.left(hands.clock) + seconds
    if remaining <= 0:
        return hands.say("not_so_much", name=_name(hands, entry))
    if remaining > MOST_S:
        return hands.say("too_long")
    changed = replace(entry)
    if entry.paused_s is not None:
        changed.paused_s = remaining
    else:
        changed.due_at += seconds
        changed.due_steady += seconds
    await hands.keeper.change(changed)
    if entry.by_clock:
        when = hands.words.when(hands.wall_time.local(changed.due_at), hands.now())
        return hands.say("due_at", name=_name(hands, entry), when=when)
    return hands.say("added", name=_name(hands, entry), left=_left(hands, changed))


async def pause(hands: Hands, question: RunSkill) -> SkillReply:
    entry = await _one(hands, question)
    if isinstance(entry, SkillReply):
        return entry
    if entry.by_clock:
        return hands.say("no_pausing")
    if entry.paused_s is not None:
        return hands.say("is_paused", name=_name(hands, entry))
    changed = replace(entry, paused_s=max(1.0, entry.left(hands.clock)))
    await hands.keeper.change(changed)
    return hands.say("paused", name=_name(hands, entry), left=_left(hands, changed))


async def resume(hands: Hands, question: RunSkill) -> SkillReply:
    entry = await _one(hands, question)
    if isinstance(entry, SkillReply):
        return entry
    if entry.paused_s is None:
        return hands.say("is_running", name=_name(hands, entry))
    changed = replace(
        entry,
        paused_s=None,
        due_at=hands.clock.wall() + entry.paused_s,
        due_steady=hands.clock.steady() + entry.paused_s,
        boot=hands.clock.boot,
    )
    await hands.keeper.change(changed)
    return hands.say("resumed", name=_name(hands, entry), left=_left(hands, changed))


async def _one(hands: Hands, question: RunSkill) -> Entry | SkillReply:
    """The one that is meant, or what to say where that is none or several."""
    slots = question.match.slots
    entries = await hands.keeper.of(question.profile)
    found = _meant(hands, entries, slots, kind="")
    if len(found) > 1 and question.match.skill in _FITTING:  # 'pause the timer': of those that are not paused
        found = [entry for entry in found if _FITTING[question.match.skill](entry)] or found
    if not found:
        return _none(hands, entries, slots, "timer")
    return found[0] if len(found) == 1 else _which(hands, question, found)


_FITTING = {
    "timer.pause": lambda entry: entry.paused_s is None and not entry.by_clock,
    "timer.resume": lambda entry: entry.paused_s is not None,
    "timer.add": lambda entry: not entry.by_clock,
}


def _meant(hands: Hands, entries: Sequence[Entry], slots: Mapping[str, str], *, kind: str) -> list[Entry]:
    """By name, length or time; all of the kind where none of these was said."""
    found = [entry for entry in entries if not kind or entry.kind == kind]
    if "length" in slots:
        return [entry for entry in found if entry.length_s == float(slots["length"])]
    if "hour" in slots:
        return [entry for entry in found if _is_at(hands, entry, slots)]
    if not (name := slots.get("name", "").lower()):
        return found
    exact = [entry for entry in found if entry.name.lower() == name]
    wanted = set(name.split())
    return exact or [entry for entry in found if wanted <= set(entry.name.lower().split())]


def _is_at(hands: Hands, entry: Entry, slots: Mapping[str, str]) -> bool:
    at = hands.wall_time.local(entry.due_at)
    hour = int(slots["hour"])
    if slots["half"] and (at.hour >= 12) != (slots["half"] == "pm"):
        return False
    return entry.by_clock and at.minute == int(slots["minute"]) and at.hour % 12 == hour % 12


def _which(hands: Hands, question: RunSkill, found: Sequence[Entry]) -> SkillReply:
    names = [_name(hands, entry) for entry in found[:_MOST_TOLD]]
    asked = Asked("which", question.match.skill, question.match.slots)
    return hands.ask(question.profile, asked, "which_one", names=hands.words.joined(names))


def _none(hands: Hands, entries: Sequence[Entry], slots: Mapping[str, str], kind: str) -> SkillReply:
    named = {"name", "length", "hour"} & set(slots)
    return hands.say("none_such", kind=kind) if named and entries else hands.say(f"none_{kind}")


def _name(hands: Hands, entry: Entry) -> str:
    return hands.words.named(entry.kind, entry.name, entry.length_s)


def _left(hands: Hands, entry: Entry) -> str:
    return hands.words.duration(entry.left(hands.clock))


def _listed(hands: Hands, entries: Sequence[Entry]) -> str:
    told = []
    for entry in entries[:_MOST_TOLD]:
        if entry.by_clock:
            when = hands.words.when(hands.wall_time.local(entry.due_at), hands.now())
            told.append(hands.words.say("list_at", name=_name(hands, entry), when=when))
        else:
            said = "list_left" if entry.paused_s is None else "list_paused"
            told.append(hands.words.say(said, name=_name(hands, entry), left=_left(hands, entry)))
    return hands.words.listed(told, len(entries))


DOING = {
    "timer.left": left,
    "timer.list": tell_all,
    "timer.cancel": cancel,
    "timer.add": add,
    "timer.pause": pause,
    "timer.resume": resume,
}
