"""Where Wyoming's clients come in: this machine, and else only addresses that were named."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field

from solo.errors import SoloError

MOST_CONNECTIONS = 64
MOST_PER_ADDRESS = 16
"""Of those, from one address other than loopback."""
_QUEUE = 128


class BadDoor(SoloError):
    """Solo cannot listen for Wyoming's clients as it was told to."""

    code = "wyoming.bad_door"


class OpenDoor(SoloError):
    """Wyoming asks nobody who they are, so other machines come in only by their addresses."""

    code = "wyoming.open_door"


class PeerRefused(SoloError):
    """This address is not among those that may use Solo by Wyoming."""

    code = "wyoming.peer_refused"


class Crowded(SoloError):
    """As many Wyoming connections are open as Solo takes."""

    code = "wyoming.crowded"


@dataclass(frozen=True, slots=True)
class Peers:
    """Whose connections are taken, besides this machine's."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> Peers:
        """Addresses and networks. Raises ValueError."""
        return cls(tuple(ipaddress.ip_network(text, strict=False) for text in texts))

    def take(self, address: str) -> bool:
        try:
            number = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        number = getattr(number, "ipv4_mapped", None) or number
        return number.is_loopback or any(number in network for network in self.networks)


@dataclass(slots=True)
class Crowd:
    """Who is in."""

    peers: Peers
    by_address: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str) -> None:
        """Raises `PeerRefused` or `Crowded`; who is in has to `leave`."""
        if not self.peers.take(address):
            raise PeerRefused(hint="Name it in SOLO_WYOMING__PEERS.")
        near = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        if self.total >= MOST_CONNECTIONS or (not near and self.by_address[address] >= MOST_PER_ADDRESS):
            raise Crowded(f"{self.total} Wyoming connections are open, {self.by_address[address]} of them yours")
        self.by_address[address] += 1

    def leave(self, address: str) -> None:
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]

    @property
    def total(self) -> int:
        return self.by_address.total()


def open_door(listen: str, peers: Peers) -> socket.socket:
    """Listen on `address:port`; port 0 takes a free one. Raises `OpenDoor` or `BadDoor`."""
    host, _, port = listen.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        raise BadDoor(
            f"{listen[:100]} is no address with a port", hint="Set SOLO_WYOMING__LISTEN to 127.0.0.1:10300."
        ) from None
    if not address.is_loopback and not peers.networks:
        raise OpenDoor(
            f"Wyoming asks nobody who they are, and {address} is not this machine's loopback",
            hint="""Name who may come in, as in SOLO_WYOMING__PEERS='["192.168.1.20"]'.""",
        )
    door = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would let two programs share the port
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((str(address), number))
        door.listen(_QUEUE)
    except (OSError, OverflowError) as error:
        door.close()
        why = getattr(error, "strerror", None) or str(error)
        raise BadDoor(f"Solo cannot listen on {listen}: {why}", hint="Choose another port.") from error
    door.setblocking(False)
    door.set_inheritable(False)
    return door
