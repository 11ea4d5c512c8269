"""Brings model files into the folder `models/`, from the network or from this machine, and takes them out."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.formats.gguf import PART, check_gguf, part_paths
from services.messages.models import FileProgress, ImportModel, ModelFile, PullModel
from services.models.address import file_name, resolve
from services.models.content import Content, disk_errors, exists, flush_folder, need_space, place
from services.models.errors import BadName, BadSource, FileBusy, ModelProtected
from services.models.fetch import Fetcher
from services.models.places import remove_file
from services.models.pull import Pull
from services.models.scan import Found, is_inside

TOLD_EVERY_S = 1.0
"""While a model is being checked."""
_LONGEST_NAME = 200
_NAME = re.compile(r"[^\W_][\w.+@() -]*\.gguf", re.IGNORECASE)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)

Check = Callable[[Path, str], Coroutine[Any, Any, ModelFile]]
"""Checks the model at this path, whose content has this SHA-256 (empty: not known), and answers what it is."""


@dataclass(frozen=True, slots=True)
class Intake:
    folder: Path
    fetcher: Fetcher
    most_bytes: int
    _busy: set[Path] = field(default_factory=set)

    async def pull(self, asked: PullModel, check: Check) -> AsyncGenerator[FileProgress, None]:
        """All parts of a model; the last item has it, checked. Raises the errors of `Pull.run`."""
        first = resolve(asked.url, self.fetcher.endpoint)
        name = proper_name(asked.name or file_name(first))
        urls = _parts_of(first, name)
        if len(urls) > 1 and asked.sha256:
            raise BadSource("a model in several parts has several checksums", hint="Leave the checksum out.")
        targets = part_paths(self.folder / name) if len(urls) > 1 else (self.folder / name,)
        with self._taking(targets):
            before, content = 0, ""
            for url, target in zip(urls, targets, strict=True):
                if target.exists():
                    if len(targets) > 1:
                        before += target.stat().st_size
                        continue  # of an earlier attempt
                    raise exists(target)
                pull = Pull(self.fetcher, url, target, asked.sha256.lower(), self.most_bytes)
                async with aclosing(pull.run()) as steps:
                    async for step in steps:
                        yield _shifted(step, before, whole=len(targets) == 1)
                before += target.stat().st_size
                content = pull.content
            async with aclosing(_checked(check, targets[0], content if len(targets) == 1 else "", before)) as last:
                async for step in last:
                    yield step

    async def bring(self, asked: ImportModel, check: Check) -> AsyncGenerator[FileProgress, None]:
        """Linked where that can be done, else copied; the last item has the model, checked.

        Raises `ModelMissing`, `ModelCorrupt`, `BadName`, `ModelExists`, `NoSpace` or `FileUnreadable`.
        """
        source = Path(asked.path)
        if "\0" in asked.path or not source.is_absolute():
            raise BadSource(f"{asked.path[:200]!r} is not an absolute path")
        yield FileProgress(step="connecting")
        await asyncio.to_thread(check_gguf, source)
        sources = part_paths(source) if PART.fullmatch(source.name) else (source,)
        sources = sources if all(part.is_file() for part in sources) else (source,)
        name = proper_name(asked.name or source.name)
        targets = part_paths(self.folder / name) if len(sources) > 1 else (self.folder / name,)
        if len(targets) != len(sources):
            raise BadName(f"{name} is no name for a model in {len(sources)} parts", hint="Leave the name out.")
        total = sum(part.stat().st_size for part in sources)
        with self._taking(targets):
            done, content = 0, ""
            for one, target in zip(sources, targets, strict=True):
                if target.exists():
                    raise exists(target)
                if not await asyncio.to_thread(_link, one.resolve(), target):
                    async with aclosing(_copied(one, target)) as steps:
                        async for length in steps:
                            yield FileProgress(step="copying", done_bytes=done + length, total_bytes=total)
                done += target.stat().st_size
            reading = Content(targets)
            async with aclosing(reading.read()) as lengths:
                async for length in lengths:
                    yield FileProgress(step="hashing", done_bytes=length, total_bytes=total)
            content = reading.sha256
            async with aclosing(_checked(check, targets[0], content, total)) as last:
                async for step in last:
                    yield step

    async def remove(self, found: Found) -> None:
        """Delete its files. Raises `ModelProtected`, `FileBusy` or `FileUnreadable`."""
        for file in found.files:
            # The folder it lies in, not what it points to: of a link the link itself goes.
            if found.origin != "models" or not is_inside(file.parent, self.folder):
                raise ModelProtected(
                    f"{found.path} is not in {self.folder}", hint="Delete it yourself, or uninstall its package."
                )
        with self._taking(found.files), disk_errors():
            for file in found.files:
                remove_file(file, self.folder)

    @contextmanager
    def _taking(self, targets: tuple[Path, ...]) -> Iterator[None]:
        """These names are being worked on. Raises `FileBusy` when they are already."""
        with disk_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
        if self._busy & set(targets):
            raise FileBusy(f"{targets[0].name} is being fetched or copied already", hint="Wait until that is done.")
        self._busy.update(targets)
        try:
            yield
        finally:
            self._busy.difference_update(targets)


def proper_name(name: str) -> str:
    """A file name for a model, its ending put on where it lacks. Raises `BadName`."""
    name = name if name.lower().endswith(".gguf") else f"{name}.gguf"
    if len(name.encode()) > _LONGEST_NAME or not _NAME.fullmatch(name) or _RESERVED.fullmatch(name) or ".." in name:
        raise BadName(
            f"{name[:_LONGEST_NAME]!r} is no name for a model file",
            hint="Use letters, digits, blanks and . _ - + @ ( ), beginning with a letter or digit.",
        )
    return name


def _parts_of(url: str, name: str) -> tuple[str, ...]:
    """Of a split model the URLs of all parts, when this is the first."""
    own = file_name(url)
    parts = part_paths(Path(own))
    if len(parts) == 1 or parts[0].name != own or len(part_paths(Path(name))) != len(parts):
        return (url,)
    count = len(parts)
    return tuple(url.replace(f"-00001-of-{count:05}", f"-{number:05}-of-{count:05}") for number in range(1, count + 1))


def _shifted(step: FileProgress, before: int, *, whole: bool) -> FileProgress:
    """Of several files the sum so far, whose end nobody knows."""
    if whole:
        return step
    return step.model_copy(update={"done_bytes": before + step.done_bytes, "total_bytes": None})


async def _checked(check: Check, path: Path, sha256: str, size: int) -> AsyncGenerator[FileProgress, None]:
    """Says again and again that it is at it: a large model takes its time."""
    checking = asyncio.ensure_future(check(path, sha256))
    try:
        while not checking.done():
            yield FileProgress(step="checking", done_bytes=size, total_bytes=size)
            await asyncio.wait({checking}, timeout=TOLD_EVERY_S)
        yield FileProgress(step="done", done_bytes=size, total_bytes=size, model=checking.result())
    finally:
        if not checking.done():
            checking.cancel()
            await asyncio.wait({checking})


def _link(source: Path, target: Path) -> bool:
    """False where files cannot be linked: another file system, or not ours."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise exists(target) from None
    except OSError:
        return False
    if not stat.S_ISREG(target.lstat().st_mode):  # it was exchanged since it was looked at
        target.unlink(missing_ok=True)
        return False
    flush_folder(target.parent)
    return True


def _need_space_for(source: Path, folder: Path) -> None:
    need_space(folder, source.stat().st_size)


async def _copied(source: Path, target: Path) -> AsyncGenerator[int, None]:
    """Bytes so far."""
    with disk_errors():
        await asyncio.to_thread(_need_space_for, source, target.parent)
    temporary = target.with_name(f".{target.name}.part")
    if temporary.is_symlink():
        temporary.unlink(missing_ok=True)
    try:
        async with aclosing(Content((source,)).read(temporary)) as lengths:
            async for length in lengths:
                yield length
        await asyncio.to_thread(place, temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
