"""The kernel's own refusal of sockets to other machines, for systems without namespaces: a seccomp filter."""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct

_PR_SET_SECCOMP = 22
_FILTER = 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
"""Classic BPF: load a word, jump if equal, jump if at least, return (linux/bpf_common.h)."""
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
"""What a filter answers (linux/seccomp.h); with `_REFUSE` goes an error number."""
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in `struct seccomp_data`; both machines below are little-endian, so this is the argument's lower half."""
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""AUDIT_ARCH (linux/audit.h) and the number of `socket`."""
_IO_URING_SETUP = 425
"""Makes sockets without that call; the same number everywhere."""
_X32 = 0x40000000
"""From here on the same calls have other numbers on x86-64."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_sockets() -> bool:
    """From now on this process and its children make only Unix and netlink sockets; True when the kernel takes it.

    The process must have given up new privileges, and has no other threads yet.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    architecture, call = known
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 5, 0, _X32),
        (_JUMP_EQUAL, 4, 0, _IO_URING_SETUP),
        (_JUMP_EQUAL, 0, 4, call),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 2, 0, socket.AF_UNIX),
        (_JUMP_EQUAL, 1, 0, socket.AF_NETLINK),
        (_RETURN, 0, 0, _REFUSE | errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = _Program(len(code), b"".join(struct.pack("=HBBI", *each) for each in code))
    libc = ctypes.CDLL(None, use_errno=True)
    taken: bool = libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0
    return taken
