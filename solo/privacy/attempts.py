"""Tries to get out, in every way that a library would, and says what stopped it."""

from __future__ import annotations

import asyncio
import errno
import importlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from solo.egress import GUARD, EgressRefused

FOUR, SIX, NAME = "192.0.2.1", "2001:db8::1", "solo-privacy.invalid"
"""For documentation only (RFC 5737, 3849, 2606): if a proof fails, still nobody is reached by it."""
WITHIN_S = 3.0
"""What has not been refused by then is under way."""
DAEMON, CHILD = "daemon", "engine child"
By = Literal["solo", "kernel", "nobody"]
_PORT = 443
_NO_WAY = {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM}
"""The kernel has no network to send by, or does not let this process use it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt."""

    where: str
    """`DAEMON`, `CHILD`, or what else it was."""
    what: str
    refused_by: By
    """solo: the guard, before the kernel was asked; kernel: it has no network for this process;
    nobody: it may have got out."""
    detail: str

    def wire(self) -> dict[str, Any]:
        return asdict(self)


async def attempts(where: str) -> list[Tried]:
    """Every way, one after the other."""
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        f"connect to {FOUR}": lambda: asyncio.open_connection(FOUR, _PORT),
        f"connect to {SIX} from a thread": lambda: asyncio.to_thread(_connect, socket.AF_INET6, (SIX, _PORT)),
        f"look up {NAME}": lambda: asyncio.get_running_loop().getaddrinfo(NAME, _PORT),
        f"look up {NAME} from a thread": lambda: asyncio.to_thread(socket.getaddrinfo, NAME, _PORT),
        f"fetch http://{FOUR}/ with httpx": lambda: _fetch(f"http://{FOUR}/"),
        f"fetch https://{NAME}/ with httpx": lambda: _fetch(f"https://{NAME}/"),
        f"send a datagram to {FOUR}": lambda: asyncio.to_thread(_send, (FOUR, 53)),
        f"open a datagram line to {SIX}": lambda: _line((SIX, 53)),
    }
    return [await _tried(where, what, way) for what, way in ways.items()]


async def _tried(where: str, what: str, way: Callable[[], Awaitable[Any]]) -> Tried:
    with GUARD.proving() as made:
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(WITHIN_S):
                await way()
        except Exception as error:  # noqa: BLE001  # a library's own error: what is behind it counts
            failure = error
    causes = [] if failure is None else list(_causes(failure))
    if made or any(isinstance(cause, EgressRefused) for cause in causes):
        return Tried(where, what, "solo", "before the kernel was asked")
    if any(_has_no_way(cause) for cause in causes):
        return Tried(where, what, "kernel", _words(causes[-1]))
    return Tried(where, what, "nobody", _words(failure) if failure is not None else "it was let through")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """It, and what it came from, each once."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one not in seen:
            seen.append(one)
            yield one
            waiting += getattr(one, "exceptions", ())
            waiting += [each for each in (one.__cause__, one.__context__) if each is not None]


def _has_no_way(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror):
        # The system's resolver does not say why it got no answer; where there is no way out it could not ask.
        return not is_connected()
    return isinstance(error, OSError) and error.errno in _NO_WAY


def is_connected() -> bool:
    """This process's network has more than loopback; True where that cannot be seen."""
    try:
        lines = Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return True
    return any(not line.lstrip().startswith("lo:") for line in lines)


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]


def _connect(family: int, address: tuple[str, int]) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.settimeout(WITHIN_S)
        door.connect(address)


def _send(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.sendto(b"", address)


async def _fetch(url: str) -> None:
    web = importlib.import_module("httpx")
    async with web.AsyncClient(trust_env=False, verify=False, timeout=WITHIN_S) as client:
        await client.get(url)


async def _line(address: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    try:
        transport.sendto(b"")
    finally:
        transport.close()
