"""A file that has come in part: its bytes, and beside them what is needed to go on with it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from services.models.content import PIECE, disk_errors, flush, place
from services.models.places import read_file, write_file

_MOST_ABOUT = 64 * 1024
"""Bytes of what is kept beside it."""


class PartFile:
    """`.NAME.part` and `.NAME.part.json` beside the file to be. Open inside `with`; what it has stays behind it."""

    def __init__(self, target: Path, url: str, sha256: str) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self.have = 0
        """Bytes."""
        self.validator = ""
        """What names the content it was begun with: an ETag, or a date; empty: nothing does."""
        self._about = target.with_name(f".{target.name}.part.json")
        self._url = url
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    @property
    def sha256(self) -> str:
        """Of the bytes it has."""
        return self._digest.hexdigest()

    def __enter__(self) -> PartFile:
        """Goes on with what is there, when it comes from the same place; its bytes have still to be hashed."""
        with disk_errors():
            about = self._read_about()
            goes_on = about.get("url") == self._url and about.get("sha256", "") == self._sha256 and _is_ours(self.path)
            self.validator = str(about.get("validator", "")) if goes_on else ""
            # Without a name for the content, or its hash, two halves of different files could be joined.
            if not goes_on or not (self.validator or self._sha256):
                self.path.unlink(missing_ok=True)
            self._file = write_file(self.path, keep=True)
            self._file.seek(0)
            self.have = os.fstat(self._file.fileno()).st_size
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk: what could be written is there
                self._file.close()
            self._file = None
        if not self.have:
            self.drop()

    def hash_next(self) -> int:
        """Hash the next bytes of what was there; how many, 0 at the end."""
        assert self._file is not None
        with disk_errors():
            data = self._file.read(PIECE)
        self._digest.update(data)
        return len(data)

    def begin(self, validator: str) -> None:
        """From the first byte, with this name for the content."""
        assert self._file is not None
        with disk_errors():
            self._file.truncate(0)
            self.have = 0
            self._digest = hashlib.sha256()
            self.validator = validator
            about = {"url": self._url, "sha256": self._sha256, "validator": validator}
            if not _is_ours(self._about):
                self._about.unlink(missing_ok=True)
            with write_file(self._about) as file:
                file.write(json.dumps(about).encode())

    def write(self, data: bytes) -> None:
        assert self._file is not None
        with disk_errors():
            self._file.write(data)
            self._file.flush()
        self._digest.update(data)
        self.have += len(data)

    def finish(self) -> None:
        """Safe on the disk, under its own name. Raises `ModelExists`."""
        assert self._file is not None
        with disk_errors():
            flush(self._file)
        place(self.path, self.target)
        self._about.unlink(missing_ok=True)

    def drop(self) -> None:
        """It is not what was asked for."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._about.unlink(missing_ok=True)

    def _read_about(self) -> dict[str, Any]:
        try:
            with read_file(self._about) as file:
                about = json.loads(file.read(_MOST_ABOUT))
        except (OSError, ValueError):
            return {}
        return about if isinstance(about, dict) else {}


def _is_ours(path: Path) -> bool:
    """A file with one name: neither a link nor a second name of something elsewhere."""
    try:
        known = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(known.st_mode) and known.st_nlink == 1
