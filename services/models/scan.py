"""Looks through folders for model files: names, sizes and times only, no file is opened."""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.formats.gguf import PART, part_paths
from services.models.packaged import installed

Origin = Literal["models", "package", "extra"]
ENDING = ".gguf"
MOST_DEPTH = 6
"""Folders below a folder; the cache of the Hugging Face hub has four."""
MOST_ENTRIES = 20_000
"""Entries of one folder and all below it that are looked at."""
SETTLED_S = 3.0
"""A file that was changed less than so many seconds ago may still be being copied."""


@dataclass(frozen=True, slots=True)
class Found:
    """A model's files, as the folder shows them."""

    path: Path
    """Absolute; of a split model the first part."""
    files: tuple[Path, ...]
    """The file, all parts of a split one, or the pieces that are to be joined to `path`."""
    origin: Origin
    size: int
    """Bytes of all files together."""
    modified_ns: int
    """The newest of them, Unix nanoseconds."""
    problem: str = ""
    """Why it cannot be used, where that can be seen from outside."""
    sha256: str = ""
    """What it must hash to, where its package says so."""

    @property
    def in_pieces(self) -> bool:
        """Its pieces have to be joined before it can be used."""
        return self.path not in self.files

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes when the files do."""
        return self.size, self.modified_ns


@dataclass(frozen=True, slots=True)
class Folders:
    """Where models are looked for."""

    models: Path
    """What is fetched and imported goes here."""
    extra: tuple[Path, ...]
    joined: Path
    """Where packaged models that come in pieces are joined."""


class Looker:
    """Looks again and again, and remembers how files looked, to see which are still being written."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        """Stamp of each file, and since when (monotonic) it has been the same."""
        self._trusted: set[Path] = set()

    def trust(self, path: Path) -> None:
        """This file is whole, however young it is."""
        self._trusted.add(path)

    def look(self) -> list[Found]:
        """Everything that is settled, the folder `models/` first."""
        found = list(_in_folder(self.folders.models, "models"))
        found += _in_packages(self.folders.joined)
        for folder in self.folders.extra:
            found += _in_folder(folder, "extra")
        unique = {each.path: each for each in reversed(found)}  # a folder may be named twice
        settled = [each for each in found if unique.get(each.path) is each and self._is_settled(each)]
        self._trusted &= unique.keys()
        self._seen = {path: seen for path, seen in self._seen.items() if path in unique}
        return settled

    def _is_settled(self, found: Found) -> bool:
        if found.path in self._trusted:
            return True
        now = time.monotonic()
        stamp, since = self._seen.get(found.path, (None, now))
        if stamp != found.stamp:
            since = now
        self._seen[found.path] = (found.stamp, since)
        # By the file's own time, or, where a copy keeps that of the original, by having been the same for a while.
        return time.time() - found.modified_ns / 1e9 >= SETTLED_S or now - since >= SETTLED_S


def is_inside(path: Path, folder: Path) -> bool:
    """It lies in the folder, also when links on its way are followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a circle of links
        return False


def _in_packages(joined: Path) -> Iterator[Found]:
    for packaged, pieces in installed():
        size, modified = _sum(pieces)
        path = pieces[0] if len(pieces) == 1 else joined / packaged.name
        yield Found(path, pieces, "package", size, modified, sha256=packaged.sha256)


def _in_folder(folder: Path, origin: Origin) -> Iterator[Found]:
    folder = folder.absolute()
    there = dict(_walk(folder))
    for path in sorted(there):
        named = PART.fullmatch(path.name)
        parts = part_paths(path)
        if named is not None and len(parts) > 1 and parts[0] != path:
            if parts[0] in there or any(part in there for part in parts[: int(named["number"]) - 1]):
                continue  # told with its first part, or with the first of those that are there
            yield _one(folder, path, (path,), origin, there, f"its part {parts[0].name} is missing")
            continue
        missing = next((part for part in parts if part not in there), None)
        if missing is not None:
            present = tuple(part for part in parts if part in there)
            yield _one(folder, path, present, origin, there, f"its part {missing.name} is missing")
        else:
            yield _one(folder, path, parts, origin, there)


def _one(
    folder: Path,
    path: Path,
    files: Sequence[Path],
    origin: Origin,
    there: dict[Path, os.stat_result | None],
    problem: str = "",
) -> Found:
    size = modified = 0
    for file in files:
        status = there[file]
        if status is None:
            problem = problem or "it is a link to nowhere"
            continue
        if not is_inside(file, folder):
            problem = problem or "it is a link that leads out of its folder; name that folder in models.extra"
        size += status.st_size
        modified = max(modified, status.st_mtime_ns)
    return Found(path, tuple(files), origin, size, modified, problem)


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result | None]]:
    """Model files below the folder with their status, None for a link to nowhere.

    Left out are hidden ones, and names that cannot be shown.
    """
    waiting = [(folder, 0)]
    entered: set[tuple[int, int]] = set()
    looked_at = 0
    while waiting:
        here, depth = waiting.pop()
        try:
            known = here.stat()
            if (known.st_dev, known.st_ino) in entered or not (depth == 0 or is_inside(here, folder)):
                continue
            entered.add((known.st_dev, known.st_ino))
            with os.scandir(here) as listed:
                entries = sorted(itertools.islice(listed, MOST_ENTRIES), key=lambda entry: entry.name)
        except OSError:
            continue  # gone, or not ours to read
        for entry in entries:
            looked_at += 1
            if looked_at > MOST_ENTRIES:
                return
            if entry.name.startswith(".") or not entry.name.isprintable():
                continue
            try:
                if entry.is_dir():
                    if depth < MOST_DEPTH:
                        waiting.append((Path(entry.path), depth + 1))
                    continue
                if not entry.name.lower().endswith(ENDING):
                    continue
                status = entry.stat() if entry.is_file() else None
            except OSError:
                continue
            if status is not None and stat.S_ISREG(status.st_mode):
                yield Path(entry.path), status
            elif entry.is_symlink():
                yield Path(entry.path), None


def _sum(files: Sequence[Path]) -> tuple[int, int]:
    """Bytes together, and the newest time."""
    known = [file.stat() for file in files]
    return sum(each.st_size for each in known), max(each.st_mtime_ns for each in known)
