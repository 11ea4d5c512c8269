"""Finds the files below a folder, as a person would list them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_NUMBER = re.compile(r"(\d+)")


def found_below(given: Path) -> Iterator[Path]:
    """The file itself, also when it is not there (whoever opens it says so); of a folder all files below it.

    Hidden ones are left out. Links are followed, but no folder is entered twice.
    """
    if given.is_dir():
        yield from _walk(given, set())
    else:
        yield given


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """`page 9` before `page 10`, and capitals beside small letters."""
    parts = _NUMBER.split(name.casefold())
    return tuple((0, int(part)) if _NUMBER.fullmatch(part) else (1, part) for part in parts if part)


def _walk(folder: Path, entered: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        known = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: natural(entry.name))
    except OSError:
        yield folder  # whoever opens it says why
        return
    if (known.st_dev, known.st_ino) in entered:
        return
    entered.add((known.st_dev, known.st_ino))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), entered)
        elif entry.is_file():
            yield Path(entry.path)
