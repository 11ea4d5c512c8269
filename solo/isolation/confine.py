"""What a child does to itself before it loads anything: die with its parent, no network, bounded memory."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_NICE = 5
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def die_with(parent: int) -> None:
    """Ask the kernel to end this process when `parent` ends, however that happens."""
    if sys.platform != "linux":
        return  # the reader thread sees the closed pipe instead
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def yield_to_daemon() -> None:
    """When all cores compute, the loop that everybody waits for still gets its turn at once."""
    if sys.platform != "win32":
        os.nice(_NICE)


def drop_network() -> bool:
    """Move into an empty network namespace; True when the kernel allowed it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # Root may do this as it is; others need a user namespace of their own, where the system allows those.
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    alone: bool = libc.unshare(flags) == 0
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return alone


def unroot() -> None:
    """For programs that refuse to run as root: the same user under another number, in a user namespace of its own.

    Files stay root's as seen from outside. Raises OSError where the system allows no user namespaces.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for file, content in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as map_file:
            map_file.write(content)


def limit_memory(limit: int) -> None:
    """At most this many bytes of private memory (RLIMIT_DATA: address space would count mapped model files too)."""
    if sys.platform == "win32" or limit <= 0:
        return
    import resource  # POSIX only

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def tied(command: Sequence[str], *, never_as_root: bool = False) -> list[str]:
    """The same command, dying with this process: a small launcher asks for it, then becomes the command."""
    if sys.platform != "linux":
        return list(command)
    user = "unroot" if never_as_root and os.geteuid() == 0 else "same"
    return [sys.executable, "-I", "-m", "solo.isolation.tie", str(os.getpid()), user, *command]


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of this process or another; 0 where the system has no cheap way to tell."""
    try:
        with open(f"/proc/{pid or 'self'}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
