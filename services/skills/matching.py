"""From words to a skill: every template that fits is tried until all its gaps make sense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.messages.skills import Control, SkillMatch
from services.skills.languages.language import Language, Tidied
from services.skills.sentences import Compiler, Found, Templates

MOST_WORDS = 80
"""A longer utterance is no command."""
_CONTROLS: dict[str, Control] = {"stop": "stop", "repeat": "repeat", "afresh": "afresh"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a skill asked back; the next utterance may be the answer."""

    expects: str
    """`duration`, `moment`, `which` or `yes`."""
    skill: str
    """Which skill the answer is for."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """What is known already."""


class Matcher:
    """Not changed by matching. Made off the loop: compiling takes a while."""

    def __init__(self, language: Language, compiler: Compiler) -> None:
        language.load()
        self._language = language
        documents = {name: compiler.read(text) for name, text in language.sentences().items()}
        answers = documents.pop("asked_back.yaml")
        control = documents.pop("control.yaml")
        self._answers = compiler.compile(language.code, [answers])
        self._control = compiler.compile(language.code, [control])
        self._built_in = compiler.compile(language.code, list(documents.values()))

    def match(self, text: str, *, asked: Asked | None = None, own: Templates | None = None) -> SkillMatch | None:
        """Stop comes first, then the answer to what was asked, then what somebody's own files say, then the rest."""
        tidied = self._language.tidy(text)
        if not tidied.words or len(tidied.words) > MOST_WORDS:
            return None
        said = tidied.text
        found = self._first(self._control.find(said), tidied)
        if found is None and asked is not None:
            found = self._answer(said, tidied, asked)
        if found is None and own is not None:
            found = self._own(own.find(said), tidied)
        if found is None and not text.rstrip().endswith("…"):
            found = self._first(self._built_in.find(said), tidied)
        return found

    def _answer(self, said: str, tidied: Tidied, asked: Asked) -> SkillMatch | None:
        for found in self._answers.find(said):
            kind = found.skill.removeprefix("asked.")
            if asked.expects == "yes" and kind == "no":
                return SkillMatch(skill="asked.no", slots={"skill": asked.skill})
            if kind != asked.expects:
                continue
            slots = self._slots(found, tidied)
            if slots is not None:
                return SkillMatch(skill=asked.skill, slots={**asked.slots, **slots, "answer": "yes"})
        return None

    def _first(self, found: Iterable[Found], tidied: Tidied) -> SkillMatch | None:
        for one in found:
            slots = self._slots(one, tidied)
            if slots is not None:
                return SkillMatch(skill=one.skill, slots=slots, control=_CONTROLS.get(slots.pop("control", ""), "none"))
        return None

    def _own(self, found: Iterable[Found], tidied: Tidied) -> SkillMatch | None:
        """Of these, gaps hold whatever was said, as it was written."""
        for one in found:
            slots = {name: tidied.piece(slot.at, len(slot.text)) for name, slot in one.slots.items()}
            return SkillMatch(skill=one.skill, slots={**one.fixed, **slots})
        return None

    def _slots(self, found: Found, tidied: Tidied) -> dict[str, str] | None:
        slots = dict(found.fixed)
        others = {name: slot.text for name, slot in found.slots.items()}
        for name, slot in found.slots.items():
            text = tidied.piece(slot.at, len(slot.text)) if name in self._language.free else slot.text
            read = self._language.read(name, text, others)
            if read is None:
                return None
            slots |= read
        return slots
