"""The state directory: private to its owner, used by one daemon at a time, and where that daemon can be found."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from solo.errors import SoloError

KEY_FILE = "owner.key"
DAEMON_FILE = "daemon.json"
LOCK_FILE = "daemon.lock"


class StateDirUnusable(SoloError):
    """The state directory cannot be used."""

    code = "state.unusable"


class AlreadyRunning(SoloError):
    """Another daemon uses this state directory."""

    code = "state.already_running"


@dataclass(frozen=True, slots=True)
class Daemon:
    """Where the daemon of a state directory is."""

    pid: int
    port: int


class StateDir:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK_FILE, timeout=0, mode=0o600)

    def claim(self) -> None:
        """Make it if need be, check that it can be written, lock it. Raises StateDirUnusable or AlreadyRunning."""
        hint = "Make it writable for this user, or set SOLO_STATE_DIR to another directory."
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(b"x")
            self._lock.acquire()
        except Timeout as error:
            other = self.daemon()
            who = f"pid {other.pid} on port {other.port}" if other else "still starting"
            raise AlreadyRunning(
                f"another Solo ({who}) already uses {self.path}",
                hint="Stop it with `solo stop`, or set SOLO_STATE_DIR and SOLO_PORT for a second one.",
            ) from error
        except OSError as error:
            raise StateDirUnusable(f"cannot write to {self.path}: {error.strerror or error}", hint=hint) from error
        # What a daemon that was killed left behind names nobody any more.
        (self.path / DAEMON_FILE).unlink(missing_ok=True)

    def release(self) -> None:
        with suppress(OSError):
            (self.path / DAEMON_FILE).unlink(missing_ok=True)
        self._lock.release()

    def announce(self, port: int) -> None:
        """Let commands find this daemon."""
        self._write(DAEMON_FILE, json.dumps({"pid": os.getpid(), "port": port}))

    def daemon(self) -> Daemon | None:
        """The daemon that announced itself here, alive or not."""
        try:
            known = json.loads((self.path / DAEMON_FILE).read_text(encoding="utf-8"))
            return Daemon(pid=int(known["pid"]), port=int(known["port"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def owner_key(self, *, create: bool) -> str | None:
        """The owner's key; made at the first start, readable by this user alone."""
        path = self.path / KEY_FILE
        try:
            key = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            key = ""
        except (OSError, UnicodeDecodeError) as error:
            raise StateDirUnusable(f"cannot read {path}: {error}", hint="Make it readable for this user.") from error
        if key or not create:
            return key or None
        key = secrets.token_urlsafe(32)
        self._write(KEY_FILE, key + "\n")
        return key

    def _write(self, name: str, text: str) -> None:
        replace_file(self.path / name, text)


def replace_file(file: Path, text: str) -> None:
    """All or nothing: readers see the old file or the new one. Private to its owner, since mkstemp makes it 0600."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
    Path(temporary).replace(file)
