"""The guard inside an event loop: libuv connects, sends and looks names up without an audit event."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from solo.egress.endpoint import number_of
from solo.egress.guard import GUARD


class Guarding:
    """Put before a loop's own class. Names are looked up here, and the loop is given numbers only."""

    async def getaddrinfo(self, host: Any, port: Any, **named: Any) -> Any:
        GUARD.check_name(host, named.get("flags", 0))
        found = await super().getaddrinfo(host, port, **named)  # type: ignore[misc]  # the loop's own class is behind
        GUARD.pin(host, found)
        return found

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        GUARD.check_reverse(sockaddr, flags)
        return await super().getnameinfo(sockaddr, flags)  # type: ignore[misc]

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **named: Any
    ) -> Any:
        _check_local(named.get("local_addr"))
        connect = super().create_connection  # type: ignore[misc]
        if not GUARD.enforcing or host is None or named.get("sock") is not None:
            return await connect(protocol_factory, host, port, **named)
        wanted = {name: named.pop(name, 0) for name in ("family", "proto", "flags")}
        places = await self._places(host, port, socket.SOCK_STREAM, wanted)
        if named.get("ssl") and named.get("server_hostname") is None:
            named["server_hostname"] = host
        failures: list[OSError] = []
        for family, address in places:
            GUARD.check(family, address)
            try:
                return await connect(protocol_factory, *_literal(address), **named)
            except OSError as error:
                failures.append(error)
        if not failures:
            raise OSError(f"{host} has no address")
        raise failures[0]

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], local_addr: Any = None, remote_addr: Any = None, **named: Any
    ) -> Any:
        door = named.get("sock")
        family = door.family if door is not None else named.get("family", 0)
        near = family == getattr(socket, "AF_UNIX", -1) or isinstance(local_addr, str) or isinstance(remote_addr, str)
        if GUARD.enforcing and not near:
            _check_local(local_addr)
            if remote_addr is not None:
                wanted = {name: named.get(name, 0) for name in ("family", "proto", "flags")}
                places = await self._places(remote_addr[0], remote_addr[1], socket.SOCK_DGRAM, wanted)
                GUARD.check(*places[0], "datagram")
                remote_addr = _literal(places[0][1])
            elif door is None or not _is_connected(door):
                # Whatever its transport sends later is not seen.
                GUARD.refuse("datagram", "anywhere", None)
        return await super().create_datagram_endpoint(  # type: ignore[misc]
            protocol_factory, local_addr=local_addr, remote_addr=remote_addr, **named
        )

    async def create_server(
        self, protocol_factory: Callable[[], Any], host: Any = None, *rest: Any, **named: Any
    ) -> Any:
        for name in host if isinstance(host, Sequence) and not isinstance(host, str | bytes) else (host,):
            GUARD.check_name(name)
        return await super().create_server(protocol_factory, host, *rest, **named)  # type: ignore[misc]

    async def sock_connect(self, sock: socket.socket, address: Any) -> Any:
        GUARD.check(sock.family, address)
        return await super().sock_connect(sock, address)  # type: ignore[misc]

    async def sock_sendto(self, sock: socket.socket, data: Any, address: Any) -> Any:
        GUARD.check(sock.family, address, "datagram")
        return await super().sock_sendto(sock, data, address)  # type: ignore[misc]

    async def _places(self, host: Any, port: Any, kind: int, wanted: dict[str, int]) -> list[tuple[int, Any]]:
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        found = await self.getaddrinfo(name, port, type=kind, **wanted)
        return [(family, address) for family, _, _, _, address in found]


def guarded(kind: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    """The same loop with the guard inside."""
    return type(f"Guarded{kind.__name__}", (Guarding, kind), {})


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Of the quickest loop there is, with the guard inside."""
    if sys.platform == "win32":
        return guarded(asyncio.ProactorEventLoop)  # it has subprocesses
    with suppress(ImportError):
        import uvloop

        return guarded(uvloop.Loop)
    return guarded(asyncio.SelectorEventLoop)


def _check_local(address: Any) -> None:
    if isinstance(address, tuple) and address:
        GUARD.check_name(address[0])


def _literal(address: Any) -> tuple[str, int]:
    """Host and port, the zone of a link-local address in the host."""
    host: str = address[0]
    zone = address[3] if len(address) > 3 else 0
    return (f"{host}%{zone}" if zone and "%" not in host and number_of(host) is not None else host), address[1]


def _is_connected(door: socket.socket) -> bool:
    try:
        door.getpeername()
    except OSError:
        return False
    return True
