"""What may be connected to: a name, an address or a network, with or without a port."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from solo.errors import SoloError

Number: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "postgresql": 5432, "postgres": 5432}
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
"""RFC 1123, and the underscores of container networks; others are written in their `xn--` form."""
_HINT = "Write host, host:port, an address such as 192.168.1.20 or [fd00::20]:8080, or a network such as 10.0.0.0/8."


class EndpointInvalid(SoloError):
    """An endpoint that should be allowed is none."""

    code = "egress.bad_endpoint"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Allowed, and for what."""

    host: str
    """A name in lower case, or the address or network as `ipaddress` writes it."""
    port: int | None
    """None: every port."""
    why: str
    """For people, in a few words."""

    @classmethod
    def parse(cls, text: str, why: str) -> Endpoint:
        """Of a URL, of which only host and port are kept, or as in `SOLO_EGRESS__ALLOW`. Raises `EndpointInvalid`."""
        try:
            if "://" in text:
                parts = urlsplit(text)
                return cls(_host(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme), why)
            if "/" in text:
                return cls(str(ipaddress.ip_network(text)), None, why)
            if number_of(text) is not None:
                return cls(_host(text), None, why)
            host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
            return cls(_host(host.removeprefix("[").removesuffix("]")), _port(port), why)
        except ValueError:
            # Not the text itself: a URL may hold a password.
            shown = text if "@" not in text and "?" not in text else "an address"
            raise EndpointInvalid(f"{shown[:100]} is no endpoint", hint=_HINT) from None

    @property
    def network(self) -> Network | None:
        """The addresses that it is; None for a name."""
        try:
            return ipaddress.ip_network(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def number_of(host: str) -> Number | None:
    """The address that a host is, IPv4 inside IPv6 taken out and the zone left out; None for a name.

    Other ways to write an address (2130706433, 0x7f.1) are names here, which nobody has allowed.
    """
    try:
        number = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    return mapped or number


def plain(host: str) -> str:
    """A name as names are compared."""
    host = host.rstrip(".").lower()
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _host(host: str) -> str:
    number = number_of(host)
    if number is not None:
        return str(number)
    if not _NAME.fullmatch(host := plain(host)):
        raise ValueError(host)
    return host


def _port(port: str) -> int | None:
    if not port:
        return None
    if not 0 < int(port) < 65536:
        raise ValueError(port)
    return int(port)
