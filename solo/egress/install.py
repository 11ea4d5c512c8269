"""Puts the guard where sockets are used in Python: an audit hook, and what audits too late or not at all."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from solo.egress.endpoint import Endpoint
from solo.egress.guard import GUARD

_RAW = {getattr(socket, name) for name in ("AF_PACKET", "PF_PACKET") if hasattr(socket, name)}
"""What is sent by these raises no event, so they are not made at all."""
_installed = False


@contextmanager
def enforced(*endpoints: Endpoint) -> Iterator[None]:
    """Inside, nothing in this process connects to anything but loopback, `endpoints`, and what `GUARD.allow` names."""
    _install()
    with GUARD.allow(*endpoints):
        GUARD.enforcing = True
        try:
            yield
        finally:
            GUARD.enforcing = False


def _install() -> None:
    """Once: a hook stays for the life of the process, and does nothing while nothing is enforced."""
    global _installed
    if _installed:
        return
    _installed = True
    sys.addaudithook(_hook)
    # The interpreter looks a name up before it raises the event of its connection: names are seen here.
    for method in ("connect", "connect_ex", "bind", "sendto", "sendmsg"):
        setattr(socket.socket, method, _seen(method, getattr(socket.socket, method)))
    socket.getaddrinfo = _pinning(socket.getaddrinfo)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    check = _CHECKS.get(event)
    if check is not None and GUARD.enforcing:
        check(arguments)


def _new(arguments: tuple[Any, ...]) -> None:
    if arguments[1] in _RAW:
        GUARD.refuse("datagram", "raw packets", None)


def _connect(arguments: tuple[Any, ...]) -> None:
    GUARD.check(arguments[0].family, arguments[1], _kind(arguments[0]))


def _send(arguments: tuple[Any, ...]) -> None:
    if arguments[1] is not None:  # else it goes where the socket is connected to
        GUARD.check(arguments[0].family, arguments[1], "datagram")


_CHECKS: dict[str, Callable[[tuple[Any, ...]], None]] = {
    "socket.__new__": _new,
    "socket.connect": _connect,
    "socket.sendto": _send,
    "socket.sendmsg": _send,
    "socket.getaddrinfo": lambda arguments: GUARD.check_name(arguments[0]),
    "socket.gethostbyname": lambda arguments: GUARD.check_name(arguments[0]),
    "socket.gethostbyaddr": lambda arguments: GUARD.check_reverse(arguments[0]),
    "socket.getnameinfo": lambda arguments: GUARD.check_reverse(arguments[0]),
}
"""https://docs.python.org/3/library/audit_events.html"""


def _kind(door: socket.socket) -> Any:
    return "datagram" if door.type == socket.SOCK_DGRAM else "connection"


def _seen(method: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """The same method; a host that is a name is checked first."""

    def checked(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[-1] if arguments else None
        if GUARD.enforcing and isinstance(address, tuple) and self.family in (socket.AF_INET, socket.AF_INET6):
            GUARD.check_name(address[0] if address else None)
        return original(self, *arguments)

    checked.__name__ = method
    return checked


def _pinning(original: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        found = original(host, port, family, type, proto, flags)
        if GUARD.enforcing:
            GUARD.pin(host, found)
        return found

    return getaddrinfo
