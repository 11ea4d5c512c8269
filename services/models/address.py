"""Where a model may be fetched from: which URLs, and which machines behind them."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from services.models.errors import AddressForbidden, BadSource, FetchFailed

_HUB = re.compile(
    r"hf:(?P<owner>[A-Za-z0-9][\w.-]*)/(?P<repository>[A-Za-z0-9][\w.-]*)/(?P<file>[^@]+?)(?:@(?P<revision>[\w.-]+))?"
)
_RESOLVE_WITHIN_S = 10.0
_LONGEST = 2000


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
    """Raises `BadSource` for what is no address of a web server."""
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
    check(url)
    parts = urlsplit(url)
    name = parts.hostname or ""
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
    host = parts.netloc
    return Vetted(parts._replace(netloc=f"{place}:{port}", fragment="").geturl(), host, name)


def _is_public(number: str) -> bool:
    try:
        address = ipaddress.ip_address(number.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if mapped is not None:
        address = mapped
    return address.is_global and not address.is_multicast
