"""The form of a file of skills: sentences, and what is done, out of a closed list; nothing in it is ever run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from solo.errors import SoloError

MOST_SENTENCE = 300
MOST_GAPS = 2
MOST_WAYS = 4096
"""Sentences that one template stands for."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
GAP = re.compile(r"\{([^{}]*)\}")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_SENTENCE)]
Value = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class SkillFileInvalid(SoloError):
    """A file of skills cannot be used; the others can."""

    code = "skills.bad_file"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimerToSet(_Part):
    duration: Text
    """As it is said, such as "4 minutes" or "{time}"."""
    name: str = Field(default="", max_length=100)


class OwnSkill(_Part):
    sentences: tuple[Sentence, ...] = Field(min_length=1, max_length=50)
    say: Text | None = None
    announce: Text | None = None
    set_timer: TimerToSet | None = None
    ask: Text | None = None


class SkillFile(_Part):
    skills: dict[str, OwnSkill] = Field(min_length=1, max_length=100)
    lists: dict[str, Annotated[tuple[Value, ...], Field(min_length=1, max_length=500)]] = {}


Lines = Mapping[tuple[str | int, ...], int]
"""Line, from 1, of each place in a document."""


def invalid(file: str, line: int, problem: str, hint: str) -> SkillFileInvalid:
    return SkillFileInvalid(f"{file}, line {line}: {problem}", hint=hint)


def check(file: str, data: Any, lines: Lines) -> SkillFile:
    """Raises SkillFileInvalid, which names the line and says what to do."""
    try:
        found = SkillFile.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = tuple(part for part in first["loc"] if not (isinstance(part, str) and part.startswith("function-")))
        problem, hint = _told(first["type"], where, first["msg"])
        raise invalid(file, line_of(lines, where), problem, hint) from None
    for name in (*found.skills, *found.lists):
        if not NAME.fullmatch(name):
            where = ("skills" if name in found.skills else "lists", name)
            hint = "Write names in small letters, digits and _."
            raise invalid(file, line_of(lines, where), f"{name!r} cannot be a name", hint)
    for name, skill in found.skills.items():
        _check_actions(file, lines, name, skill)
    return found


def _check_actions(file: str, lines: Lines, name: str, skill: OwnSkill) -> None:
    where = ("skills", name)
    if skill.ask is None and skill.say is None and skill.announce is None and skill.set_timer is None:
        hint = "Give it one of say, announce, set_timer, ask."
        raise invalid(file, line_of(lines, where), f"{name} does nothing", hint)
    if skill.ask is not None and skill.say is not None:
        hint = "The model's answer is what is said: leave out say, or ask."
        raise invalid(file, line_of(lines, (*where, "say")), f"{name} has say beside ask", hint)
    gaps = set.intersection(*(set(GAP.findall(sentence)) for sentence in skill.sentences))
    timer = skill.set_timer or TimerToSet(duration="1 minute")
    texts = {
        ("say",): skill.say,
        ("announce",): skill.announce,
        ("ask",): skill.ask,
        ("set_timer", "duration"): timer.duration,
        ("set_timer", "name"): timer.name,
    }
    for place, text in texts.items():
        for gap in GAP.findall(text or ""):
            if gap not in gaps:
                hint = "Put the gap into every sentence of the skill, or take it out here."
                raise invalid(
                    file, line_of(lines, (*where, *place)), f"{{{gap}}} is not in all sentences of {name}", hint
                )


def line_of(lines: Lines, where: tuple[str | int, ...]) -> int:
    """Of the place, or else of what it is in."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _told(kind: str, where: tuple[str | int, ...], message: str) -> tuple[str, str]:
    name = ".".join(map(str, where)) or "the file"
    if kind == "extra_forbidden":
        return f"{name} is not known", "A file has skills and lists; a skill sentences, say, announce, set_timer, ask."
    if kind == "missing":
        return f"{name} is missing", "docs/skills.md shows a whole file."
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return f"{name} has to have named entries below it", "docs/skills.md shows a whole file."
    if kind in {"tuple_type", "list_type"}:
        return f"{name} has to be a list", 'Write each entry on a line of its own, behind "- ".'
    if kind == "string_type":
        return f"{name} has to be text", "Put it into quotation marks."
    return f"{name}: {message}", "docs/skills.md says what may stand there."
