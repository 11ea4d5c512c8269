"""Which host names and which pages' origins a request may name, and whose word on the client's address counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from services.api.guards.refusals import ForeignOrigin, WrongHost

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = Mapping[bytes, Sequence[bytes]]
"""Values by lower-case name, in the order in which they came."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
ANY = frozenset({"0.0.0.0", "[::]"})  # noqa: S104  # named in order to be refused
"""Addresses that mean "every one of this machine": browsers connect them to loopback, so none may be asked by them."""


class Hosts:
    """Names are compared as a whole and as they are written: what has to be parsed first can be parsed in two ways."""

    def __init__(self, port: int, more: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        own = {f"{name}:{port}" for name in LOOPBACK} | (set(LOOPBACK) if port == 80 else set())
        added = set[str]()
        for name in (name.lower() for name in more):
            # Behind a proxy with TLS the port is the default one, which clients do not write.
            added |= {name} if _has_port(name) else {name, f"{name}:{port}"}
        self._hosts = frozenset(name for name in own | added if name.rsplit(":", 1)[0] not in ANY and name not in ANY)
        self._origins = (
            frozenset(f"http://{host}" for host in self._hosts)
            | frozenset(f"https://{host}" for host in added)
            | frozenset(origin.lower() for origin in origins)
        )

    def check_host(self, headers: Headers) -> None:
        """Exactly one Host, and one of ours. Raises WrongHost."""
        named = headers.get(b"host", ())
        if len(named) != 1 or named[0].decode("latin-1").lower() not in self._hosts:
            raise WrongHost(hint="Use http://127.0.0.1 or http://localhost with the daemon's port, or SOLO_API__HOSTS.")

    def check_origin(self, headers: Headers) -> None:
        """Programs send none; of those sent, each has to be ours. Raises ForeignOrigin."""
        for origin in headers.get(b"origin", ()):
            if origin.decode("latin-1").lower() not in self._origins:
                raise ForeignOrigin(hint="Pages that may are named by SOLO_API__ORIGINS.")


def _has_port(name: str) -> bool:
    return name.rpartition(":")[2].isdigit() and not name.endswith("]")


class Proxies:
    """Whom to believe about the address of the client. Nobody, unless they are named."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(name, strict=False) for name in trusted)

    def client(self, peer: str, headers: Headers) -> str:
        """The last hop that is not a trusted proxy; `peer` itself if it is none."""
        if not self._trusted or not self._trusts(_address(peer)):
            return peer
        hops = b",".join(headers.get(b"x-forwarded-for", ())).decode("latin-1").split(",")
        for hop in reversed(hops):
            address = _address(hop.strip())
            if address is None:  # nobody knows who wrote this, nor what stands before it
                return peer
            if not self._trusts(address):
                return str(address)
            peer = str(address)
        return peer

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def neighbourhood(address: str) -> str:
    """What limits count as one client: an IPv4 address, or the /64 of an IPv6 one, which one client has all of."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address
