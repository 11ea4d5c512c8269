"""Reads, hashes, copies and places large files, a piece at a time, so that it can be given up at any moment."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from services.models.errors import FileUnreadable, ModelExists, NoSpace
from services.models.places import read_file, write_file

PIECE = 4 * 1024**2
"""Bytes read at a time."""
SPARE = 256 * 1024**2
"""Bytes of the disk that are left free."""


class Content:
    """Files one after the other as if they were one. `sha256` is that of what has been read."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def read(self, into: Path | None = None) -> AsyncGenerator[int, None]:
        """Bytes so far, again and again. `into`: written there too, and safe on the disk behind the last.

        Raises `FileUnreadable` or `NoSpace`.
        """
        done = 0
        with disk_errors(), nullcontext() if into is None else write_file(into) as sink:
            for path in self._files:
                with read_file(path) as file:
                    while length := await asyncio.to_thread(self._step, file, sink):
                        done += length
                        yield done
            if sink is not None:
                await asyncio.to_thread(flush, sink)

    def _step(self, file: BinaryIO, sink: BinaryIO | None) -> int:
        data = file.read(PIECE)
        self._digest.update(data)
        if sink is not None:
            sink.write(data)
        return len(data)


def flush(file: BinaryIO) -> None:
    """Onto the disk itself."""
    file.flush()
    os.fsync(file.fileno())


def place(temporary: Path, target: Path) -> None:
    """Give a whole file its name at once, never over another one. Raises `ModelExists`."""
    with disk_errors():
        try:
            os.link(temporary, target)  # fails where there is one, which a rename would not
        except FileExistsError:
            raise exists(target) from None
        except OSError:  # a file system without links
            if target.exists():
                raise exists(target) from None
            temporary.rename(target)
        temporary.unlink(missing_ok=True)
        flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Names too are on the disk only then."""
    with suppress(OSError):  # Windows knows no such thing
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def need_space(folder: Path, size: int) -> None:
    """Raises `NoSpace` unless so many bytes, and some more, are free."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise NoSpace(
            f"{size / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free in {folder}",
            hint="Free some space, or set SOLO_MODELS__FOLDER to a folder on another disk.",
        )


def exists(target: Path) -> ModelExists:
    return ModelExists(f"there is a file {target.name} already", hint="Remove it first, or give another name.")


@contextmanager
def disk_errors() -> Iterator[None]:
    """Errors of the disk become ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpace(f"the disk is full: {error}", hint="Free some space and ask again.") from error
        raise FileUnreadable(f"a file cannot be read or written: {error}", hint="Look at its rights.") from error
