"""The models of the catalogue, by name and by path, as they come and go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.formats.gguf import PART
from services.messages.models import ModelFile
from services.models.errors import ModelUnknown
from services.models.scan import Found

_RANK = {"models": 0, "package": 1, "extra": 2}


@dataclass(slots=True, eq=False)
class Entry:
    """One model; whoever changes `model` holds the lock."""

    found: Found
    name: str
    model: ModelFile | None = None
    """None: its header has not been read yet."""
    templates_tried: bool = False
    """Its chat templates have been rendered, and did no harm."""
    merged: bool = False
    """What the database knew of it has been taken over."""
    saved: bool = False
    """The database knows it as it is now."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def change(self, model: ModelFile) -> None:
        self.model = model
        self.saved = False

    def known(self) -> ModelFile:
        assert self.model is not None
        return self.model


class Entries:
    """Names are unique: of several files of one name the first keeps it, others are told apart by their folder."""

    def __init__(self) -> None:
        self._by_path: dict[Path, Entry] = {}
        self._by_name: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._by_path.values(), key=lambda entry: entry.name))

    def apply(self, found: Iterable[Found]) -> tuple[list[Entry], list[Entry]]:
        """What is there now; returns what is new or has changed, and what is gone."""
        there = {each.path: each for each in found}
        gone = [entry for path, entry in self._by_path.items() if path not in there]
        for entry in gone:
            self._forget(entry)
        new: list[Entry] = []
        for each in sorted(there.values(), key=lambda each: (_RANK[each.origin], str(each.path))):
            before = self._by_path.get(each.path)
            if before is not None and before.found == each:
                continue
            if before is not None:
                self._forget(before)
            new.append(self._add(each, before.name if before is not None else ""))
        return new, gone

    def find(self, name: str) -> Entry:
        """By name in any case, with or without ending, or by absolute path. Raises `ModelUnknown`."""
        entry: Entry | None = self._by_name.get(name) or self._by_name.get(plain(name)) or self._by_path.get(Path(name))
        if entry is None and "\0" not in name and Path(name).is_absolute():
            entry = self._by_path.get(Path(os.path.normpath(name)))
        if entry is None:
            raise ModelUnknown(f"there is no model {name[:200]!r}", hint="`solo models list` shows those there are.")
        return entry

    def _add(self, found: Found, name: str) -> Entry:
        entry = Entry(found, name or self._free(found.path))
        self._by_path[found.path] = self._by_name[entry.name] = entry
        return entry

    def _forget(self, entry: Entry) -> None:
        self._by_path.pop(entry.found.path, None)
        self._by_name.pop(entry.name, None)

    def _free(self, path: Path) -> str:
        name = plain(path.name)
        if name in self._by_name:
            name = f"{name}@{plain(path.parent.name)}"
        free, number = name, 2
        while free in self._by_name:
            free, number = f"{name}-{number}", number + 1
        return free


def plain(file_name: str) -> str:
    """A model's name from its file's: no ending, no number of the part, small letters, nothing that an address or a
    terminal would take for something else."""
    part = PART.fullmatch(file_name)
    stem = part["stem"] if part is not None else file_name
    if stem.lower().endswith(".gguf"):
        stem = stem[: -len(".gguf")]
    name = "".join(letter if letter.isalnum() or letter in "._+@-" else "-" for letter in stem.lower())
    return name.strip(".") or "model"
