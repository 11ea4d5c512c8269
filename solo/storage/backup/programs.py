"""PostgreSQL's own programs: the ones that fit a server, run as children with a deadline."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from solo.isolation import confine
from solo.isolation.spec import environment
from solo.storage.address import Address
from solo.storage.cluster import ServerMissing, binaries
from solo.storage.errors import DatabaseError, DatabaseTimeout

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done and of how much; 0 of 0 where that cannot be counted."""

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_VERSION_WITHIN_S = 10.0
_LAST_LINES = 20
_LONGEST_LINE = 64 * 1024
_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/{major}/bin",
    "/usr/pgsql-{major}/bin",
    "/opt/homebrew/opt/postgresql@{major}/bin",
)
"""Where Debian, the PostgreSQL project's RPMs and Homebrew put the programs of one major version."""
_NO_SPACE = ("No space left on device", "Disk quota exceeded", "File too large")
_NEWER_TAKES_OLDER = 17
"""Before this version servers refuse a setting (transaction_timeout) that newer pg_restore always makes."""


class ProgramMissing(DatabaseError):
    """PostgreSQL's client programs of the server's version are not installed."""

    code = "db.programs_missing"


def quiet(_: str, __: int, ___: int) -> None:
    """No progress is wanted."""


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with `pg_dump`, `pg_restore` and `psql` of one major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        return str(self.folder / (f"{name}.exe" if sys.platform == "win32" else name))


async def fitting(server: int) -> Programs:
    """Programs for a server of this major version: of the same one, else the least newer one that works with it."""
    newer: list[Programs] = []
    for folder in _folders(server):
        major = await _major(folder)
        if major == server:
            return Programs(folder, major)
        if major is not None and major > server >= _NEWER_TAKES_OLDER:
            newer.append(Programs(folder, major))
    if newer:
        return min(newer, key=lambda programs: programs.major)
    raise ProgramMissing(
        f"the server is PostgreSQL {server}, and no pg_dump of that version was found",
        hint=f"Install its client programs (Debian: postgresql-client-{server}) or put their folder into PATH.",
    )


def _folders(server: int) -> Iterator[Path]:
    """Where the programs may be, each once."""
    seen: set[Path] = set()
    places: list[Path] = []
    with suppress(ServerMissing):
        places.append(binaries())
    places += [Path(folder.format(major=server)) for folder in _SYSTEM_FOLDERS]
    if (found := shutil.which("pg_dump")) is not None:
        places.append(Path(found).parent)
    newer = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for place in [*places, *newer]:
        if place not in seen and place.is_dir():
            seen.add(place)
            yield place


async def _major(folder: Path) -> int | None:
    programs = Programs(folder, 0)
    if not all(shutil.which(programs.path(name)) for name in ("pg_dump", "pg_restore")):
        return None
    process = await asyncio.create_subprocess_exec(
        programs.path("pg_dump"),
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(1),
    )
    try:
        async with asyncio.timeout(_VERSION_WITHIN_S):
            said, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        await _end(process)
    found = _VERSION.search(said.decode(errors="replace"))
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    lines: tuple[str, ...]
    """The last ones of its stderr."""

    @property
    def reason(self) -> str:
        """What it said was wrong."""
        wrong = [line for line in self.lines if "error:" in line or "ERROR:" in line or "FATAL:" in line]
        said = (wrong or list(self.lines) or [f"exit code {self.code}"])[0]
        return re.sub(r"^\S*pg_\w+: error: ", "", said)

    @property
    def is_full(self) -> bool:
        """It ran out of space."""
        return any(word in line for word in _NO_SPACE for line in self.lines)


async def run(
    command: Sequence[str], address: Address | None, *, within: float, on_line: Callable[[str], None] | None = None
) -> Ended:
    """Run until it ends; it dies with this process. `on_line` is given each line of stderr.

    Raises DatabaseTimeout after `within` seconds; the program has ended then too.
    """
    known = environment(1) | {"LC_ALL": "C", "LC_MESSAGES": "C"} | (address.environment() if address else {})
    if address is not None:
        # The graph of an HNSW index is built many times slower when it does not fit (pgvector's documentation).
        known["PGOPTIONS"] = "-c maintenance_work_mem=256MB"
        known["PGAPPNAME"] = "solo"
    process = await asyncio.create_subprocess_exec(
        *confine.tied(command, no_network=address is None or address.host.startswith("/")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=known,
        limit=_LONGEST_LINE,
        start_new_session=sys.platform != "win32",
    )
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        async with asyncio.timeout(within):
            assert process.stderr is not None
            async for line in _lines(process.stderr):
                lines.append(line)
                if on_line is not None:
                    on_line(line)
            code = await process.wait()
    except TimeoutError as error:
        raise DatabaseTimeout(
            f"{Path(command[0]).name} did not end within {within:.0f} s",
            hint="Try again when the machine is less busy.",
        ) from error
    finally:
        await _end(process)
    return Ended(code, tuple(lines))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the limit, such as a failing row; the rest follows as the next line
            continue
        if not line:
            return
        yield line.decode(errors="replace").rstrip()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()


NOWHERE = os.devnull
