"""What is said when timers have run out."""

from __future__ import annotations

from collections.abc import Sequence

from services.skills.doing.hands import WallTime
from services.skills.languages.language import Wording
from services.skills.timers.timer import Clock, Entry

LATE_S = 45.0
"""Later than this it is told how long ago it was."""
_MOST_NAMED = 4


def over(entries: Sequence[Entry], clock: Clock, wall_time: WallTime, words: Wording) -> str:
    late = [entry for entry in entries if -entry.left(clock) >= LATE_S]
    now = [entry for entry in entries if -entry.left(clock) < LATE_S]
    sentences = [_in_time(now, wall_time, words)] if now else []
    sentences += [_late(entry, clock, words) for entry in late[:_MOST_NAMED]]
    if len(late) > _MOST_NAMED:
        sentences.append(words.say("more_late", count=str(len(late) - _MOST_NAMED)))
    return " ".join(sentence for sentence in sentences if sentence)


def _in_time(entries: Sequence[Entry], wall_time: WallTime, words: Wording) -> str:
    timers = [words.named(entry.kind, entry.name, entry.length_s) for entry in entries if entry.kind == "timer"]
    said = []
    if len(timers) > _MOST_NAMED:
        said.append(words.say("many_over", count=str(len(timers))))
    elif len(timers) > 1:
        said.append(words.say("timers_over", names=words.joined(timers)))
    elif timers:
        said.append(words.say("timer_over", name=timers[0]))
    for entry in entries:
        if entry.kind == "alarm":
            time = words.clock(wall_time.local(entry.due_at))
            said.append(words.say("alarm_over", time=time, name=words.named("alarm", entry.name, 0)))
        elif entry.kind == "reminder":
            said.append(words.say("reminder_over", name=entry.name))
    return " ".join(said[: _MOST_NAMED + 1])


def _late(entry: Entry, clock: Clock, words: Wording) -> str:
    ago = max(60.0, -entry.left(clock) // 60 * 60)
    if entry.kind == "reminder":
        return words.say("reminder_late", ago=words.duration(ago), name=entry.name)
    return words.say("over_late", ago=words.duration(ago), name=words.named(entry.kind, entry.name, entry.length_s))
