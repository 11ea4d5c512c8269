"""What a child does to itself before it loads anything: die with its parent, no network, bounded memory."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from solo.isolation.sockets import refuse_sockets

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
    """Move into an empty network namespace, or where that is not allowed, make no sockets that reach out any more.

    True when the kernel allowed either. Sockets in the file system, and those that are open, go on working.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    # Root may do this as it is; others need a user namespace of their own, where the system allows those.
    flags = _CLONE_NEWNET if user == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    alone: bool = libc.unshare(flags) == 0
    if alone and user != 0:
        with suppress(OSError):  # then it is nobody in there, which most programs do not mind
            _map_user(f"{user} {user} 1", f"{group} {group} 1")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return alone or refuse_sockets()


def has_own_network(pid: int) -> bool:
    """That process is in another network namespace than this one; False where the system does not say."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")  # noqa: PTH115  # names no path
    except OSError:
        return False


def unroot() -> None:
    """For programs that refuse to run as root: the same user under another number, in a user namespace of its own.

    Files stay root's as seen from outside. Raises OSError where the system allows no user namespaces.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    _map_user("1000 0 1", "1000 0 1")


def _map_user(user: str, group: str) -> None:
    """Who this process is inside the user namespace that it has just entered."""
    for file, content in (("setgroups", "deny"), ("uid_map", user), ("gid_map", group)):
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


def tied(command: Sequence[str], *, never_as_root: bool = False, no_network: bool = False) -> list[str]:
    """The same command, dying with this process: a small launcher asks for it, then becomes the command.

    `no_network`: where the system allows that; sockets in the file system go on working.
    """
    if sys.platform != "linux":
        return list(command)
    user = "unroot" if never_as_root and os.geteuid() == 0 else "same"
    network = "alone" if no_network else "shared"
    return [sys.executable, "-I", "-m", "solo.isolation.tie", str(os.getpid()), user, network, *command]


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of this process or another; 0 where the system has no cheap way to tell."""
    try:
        with open(f"/proc/{pid or 'self'}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
