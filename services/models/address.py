"""Where a model may be fetched from: which URLs, and which machines behind them."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from services.models.errors import AddressForbidden, BadSource, FetchFailed
from solo.egress import Endpoint, EndpointInvalid

_HUB = re.compile(
    r"hf:(?P<owner>[A-Za-z0-9][\w.-]*)/(?P<repository>[A-Za-z0-9][\w.-]*)/(?P<file>[^@]+?)(?:@(?P<revision>[\w.-]+))?"
)
_RESOLVE_WITHIN_S = 10.0
_LONGEST = 2000
_LONGEST_HOP = 8000
"""Signs that a redirect's address may have: signed ones of storage are long."""
_WHY = "a model that is being fetched"
_GLOBAL = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are handed out to machines of the Internet (IANA, IPv6 address space)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""An IPv4 address behind a translator (RFC 6052)."""
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # IETF protocol assignments, of which Python leaves some out
            "192.88.99.0/24",  # relays of 6to4, given up (RFC 7526)
            "168.63.129.16/32",  # Azure's own server, which tells a machine its secrets
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Vetted:
    """An address that was looked up and may be asked; the name is not looked up again."""

    url: str
    """With the number in place of the name."""
    host: str
    """For the header `Host`."""
    name: str
    """Which the certificate must be for."""


def resolve(source: str, endpoint: str) -> str:
    """The URL of `http(s)://...` or `hf:owner/repository/file[@revision]`. Raises `BadSource`."""
    if len(source) > _LONGEST or not source.isprintable():
        raise BadSource("this is no URL")
    if source.startswith("hf:"):
        hub = _HUB.fullmatch(source)
        if hub is None or any(part in {"", ".", ".."} for part in hub["file"].split("/")):
            raise BadSource(f"{source} names no file", hint="Write hf:owner/repository/file.gguf.")
        revision = hub["revision"] or "main"
        return f"{endpoint.rstrip('/')}/{hub['owner']}/{hub['repository']}/resolve/{revision}/{quote(hub['file'])}"
    check(source)
    return source


def check(url: str) -> None:
    """Raises `BadSource` for what is no address of a web server, and for what others may read otherwise."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadSource("this is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadSource(
            f"{url[:200]} is neither http(s)://... nor hf:owner/repository/file.gguf",
            hint="A file on this machine is taken in with `solo models import`.",
        )
    if parts.username is not None or parts.password is not None:
        raise BadSource("a URL with a password in it is not used", hint="Set SOLO_MODELS__TOKEN for the hub.")
    if len(url) > _LONGEST_HOP or not url.isprintable() or any(sign in parts.netloc for sign in "\\ %"):
        raise BadSource("this is no URL")


def endpoint(url: str) -> Endpoint:
    """Whom the guard has to let through for it. Raises `BadSource`."""
    check(url)
    try:
        return Endpoint.parse(url, _WHY)
    except EndpointInvalid as error:
        raise BadSource("this is no URL: its host has no such name") from error


def file_name(url: str) -> str:
    """The last part of its path."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: whom a secret may be told."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


async def vet(url: str, *, private: bool) -> Vetted:
    """Look its host up. `private`: machines of this network, and this one, may be asked too.

    Raises `BadSource`, `AddressForbidden` or `FetchFailed`.
    """
    name = endpoint(url).host  # in the form in which names are looked up, so that nobody reads it otherwise
    parts = urlsplit(url)
    _, _, port = origin(url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_WITHIN_S):
            found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        raise FetchFailed(f"{name} cannot be found: {error}", hint="Is this machine on the network?") from error
    numbers = [str(entry[4][0]) for entry in found]
    if not numbers:
        raise FetchFailed(f"{name} has no address")
    if not private and not all(_is_public(number) for number in numbers):
        raise AddressForbidden(
            f"{name} is a machine of this network, from which Solo does not fetch",
            hint="Set SOLO_MODELS__PRIVATE_ADDRESSES=true when it should.",
        )
    number = numbers[0]
    place = f"[{number}]" if ":" in number else number
    host = f"[{name}]" if ":" in name else name
    host = host if parts.port is None else f"{host}:{port}"
    return Vetted(parts._replace(netloc=f"{place}:{port}", fragment="").geturl(), host, name)


def _is_public(number: str) -> bool:
    try:
        address = ipaddress.ip_address(number.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is None and address not in _GLOBAL:
            return False
        address = inside or address
    return address.is_global and not address.is_multicast and not any(address in net for net in _NOT_PUBLIC)
