"""Opens and deletes files without being led elsewhere: by a link, a pipe, a device, or a folder that is exchanged."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)


def read_file(path: Path) -> BinaryIO:
    """A file that is there, links followed. OSError for what is none, such as a pipe, which is not waited for."""
    return _file(path, os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY), "rb")


def write_file(path: Path, *, keep: bool = False) -> BinaryIO:
    """A file of ours, made if it is not there; `keep`: what it has stays, and is written behind.

    OSError for a link, also for a second name of a file elsewhere.
    """
    flags = os.O_RDWR | os.O_CREAT | _NO_LINK | _NO_WAIT | _BINARY | (os.O_APPEND if keep else 0)
    file = _file(path, os.open(path, flags, 0o666), "ab+" if keep else "rb+")
    if os.fstat(file.fileno()).st_nlink > 1:
        file.close()
        raise OSError(errno.EMLINK, "it has another name elsewhere", str(path))
    if not keep:
        file.truncate(0)
    return file


def remove_file(path: Path, folder: Path) -> None:
    """Delete what has this name in `folder` or below; of a link the link. OSError where the way leads out of it.

    Each folder on the way is held open, so that none can be exchanged for a link meanwhile.
    """
    if os.unlink not in os.supports_dir_fd:  # Windows
        path.unlink(missing_ok=True)
        return
    root = folder.resolve()
    try:
        way = path.parent.resolve().relative_to(root)
    except ValueError:
        raise OSError(errno.EXDEV, "it is not in the folder", str(path)) from None
    held = os.open(root, os.O_RDONLY | _FOLDER)
    try:
        for part in way.parts:
            below = os.open(part, os.O_RDONLY | _FOLDER | _NO_LINK, dir_fd=held)
            os.close(held)
            held = below
        os.unlink(path.name, dir_fd=held)
    except FileNotFoundError:
        return
    finally:
        os.close(held)


def _file(path: Path, descriptor: int, mode: str) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    file: BinaryIO = os.fdopen(descriptor, mode)  # type: ignore[assignment]  # every mode here is a binary one
    return file
