"""Reads the folder of skill files, and reads again what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from services.skills.languages.language import Language
from services.skills.own.form import (
    GAP,
    MOST_GAPS,
    MOST_WAYS,
    NAME,
    Lines,
    OwnSkill,
    SkillFile,
    check,
    invalid,
    line_of,
)
from services.skills.sentences import Compiler, TemplateBroken, Templates
from solo.errors import SoloError

MOST_FILES = 64
MOST_BYTES = 64 * 1024
"""Of one file."""


class Stamp(NamedTuple):
    """By which a change is noticed."""

    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Own:
    """What the files say, as a whole."""

    skills: Mapping[str, OwnSkill]
    """By id, `own.<file>.<skill>`."""
    templates: Templates | None
    """None: there are no sentences."""


NOTHING = Own({}, None)


class Shelf:
    """Its methods block, and are called one at a time, off the loop."""

    def __init__(self, folder: Path, language: Language, compiler: Compiler) -> None:
        self.folder = folder
        self._language = language
        self._compiler = compiler
        self._stamps: dict[str, Stamp] = {}
        self._good: dict[str, SkillFile] = {}
        self._bad: dict[str, SoloError] = {}

    @property
    def problems(self) -> tuple[SoloError, ...]:
        """Of each file that is left out."""
        return tuple(self._bad.values())

    def changed(self) -> bool:
        return self._look() != self._stamps

    def read(self) -> tuple[Own, list[SoloError]]:
        """All that can be used, and what is newly wrong."""
        stamps = self._look()
        new = [name for name, stamp in stamps.items() if self._stamps.get(name) != stamp]
        for name in {*self._stamps} - {*stamps} | {*new}:
            self._good.pop(name, None)
            self._bad.pop(name, None)
        self._stamps = stamps
        for name in new:
            try:
                self._good[name] = self._one(name)
            except SoloError as error:
                self._bad[name] = error
        return self._whole(), [self._bad[name] for name in new if name in self._bad]

    def _look(self) -> dict[str, Stamp]:
        try:
            files = sorted(file for file in self.folder.iterdir() if file.suffix in {".yaml", ".yml"})
            stats = {file.name: file.stat() for file in files[: MOST_FILES + 1] if file.is_file()}
        except OSError:  # no folder, or a file that has just gone
            return {}
        return {name: Stamp(stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}

    def _one(self, name: str) -> SkillFile:
        if len(self._stamps) > MOST_FILES:
            raise invalid(name, 1, f"there are more than {MOST_FILES} files", "Put several skills into one file.")
        if not NAME.fullmatch(Path(name).stem.lower().replace("-", "_")):
            raise invalid(name, 1, "the file's name has other than letters, digits, - and _", "Rename it.")
        try:
            with (self.folder / name).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            text = content.decode("utf-8")
        except OSError as error:
            raise invalid(name, 1, f"cannot be read: {error.strerror}", "Make it readable for this user.") from None
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise invalid(name, line, "is not UTF-8", "Save it as UTF-8.") from None
        if len(content) > MOST_BYTES:
            raise invalid(name, 1, f"is larger than {MOST_BYTES // 1024} KiB", "Split it into several files.")
        data, lines = self._parsed(name, text)
        found = check(name, data, lines)
        for skill, own in found.skills.items():
            self._check_sentences(name, found, skill, own, lines)
        return found

    def _parsed(self, name: str, text: str) -> tuple[Any, Lines]:
        try:
            return self._compiler.read_with_lines(text)
        except TemplateBroken as error:
            raise invalid(name, error.at_line, error.message, error.hint or "Mend that line.") from None

    def _check_sentences(self, file: str, found: SkillFile, skill: str, own: OwnSkill, lines: Lines) -> None:
        for index, sentence in enumerate(own.sentences):
            line = line_of(lines, ("skills", skill, "sentences", index))
            gaps = [gap for gap in GAP.findall(sentence) if gap not in found.lists]
            if bad := [gap for gap in GAP.findall(sentence) if not NAME.fullmatch(gap)]:
                hint = "Write names in small letters, digits and _."
                raise invalid(file, line, f"{{{bad[0]}}} cannot be the name of a gap", hint)
            if len(gaps) > MOST_GAPS or len(set(gaps)) < len(gaps):
                hint = "Make it several sentences, or name its words in lists."
                raise invalid(file, line, f"a sentence may have {MOST_GAPS} gaps, each once", hint)
            try:
                shape = self._compiler.shape(sentence, found.lists)
            except TemplateBroken as error:
                hint = "( ) is a choice, [ ] may be left out, { } is a gap; each has to be closed."
                raise invalid(file, line, error.message, hint) from None
            if shape.ways > MOST_WAYS:
                raise invalid(
                    file, line, f"the sentence stands for more than {MOST_WAYS} sentences", "Leave some choices out."
                )
            if not shape.has_words:
                hint = "Give it at least one word that has to be said."
                raise invalid(file, line, "the sentence would answer to everything", hint)
        timer = own.set_timer
        if timer is not None and not GAP.search(timer.duration) and not self._is_duration(timer.duration):
            line = line_of(lines, ("skills", skill, "set_timer", "duration"))
            raise invalid(file, line, f"{timer.duration!r} is no duration", 'Write it as "4 minutes".')

    def _is_duration(self, text: str) -> bool:
        return self._language.read("duration", self._language.tidy(text).text, {}) is not None

    def _whole(self) -> Own:
        skills: dict[str, OwnSkill] = {}
        documents: list[Mapping[str, Any]] = []
        for name, file in self._good.items():
            stem = Path(name).stem.lower().replace("-", "_")
            for skill, own in file.skills.items():
                skills[f"own.{stem}.{skill}"] = own
                documents.append(self._document(f"own.{stem}.{skill}", own, file))
        return Own(skills, self._compiler.compile(self._language.code, documents) if documents else None)

    def _document(self, id_: str, own: OwnSkill, file: SkillFile) -> Mapping[str, Any]:
        """Lists are the skill's own, so that files do not know of each other. Sentences are written as they are said;
        what is heard is tidied, so they are too."""
        tidied = self._language.tidy_template
        gaps: Iterable[str] = {gap for sentence in own.sentences for gap in GAP.findall(sentence)}
        lists = {
            gap: {"values": [{"in": tidied(value), "out": value} for value in file.lists[gap]]}
            if gap in file.lists
            else {"wildcard": True}
            for gap in gaps
        }
        sentences = [tidied(sentence) for sentence in own.sentences]
        return {"intents": {id_: {"data": [{"sentences": sentences, "lists": lists}]}}}
