"""Asks a web server for a file, or for the rest of it, one careful hop after the other."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import solo
from services.models.address import endpoint, origin, vet
from services.models.errors import BadSource, FetchFailed
from solo.egress import GUARD

if TYPE_CHECKING:
    import httpx

MOST_HOPS = 3
"""Redirects; a hub leads on once or twice."""
CONNECT_WITHIN_S = 10.0
READ_WITHIN_S = 30.0
"""Between two pieces."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Interrupted(Exception):
    """The connection failed in a way that may pass."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The file, or the rest of it, about to come."""

    start: int
    """Its first byte."""
    total: int | None
    """Bytes of the whole file; None: the server does not say."""
    validator: str
    """Names the content, for going on later; empty: the server does not say."""
    sha256: str
    """Of the content, where the server says so."""
    body: AsyncIterator[bytes]
    """Raises `Interrupted`."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    endpoint: str
    """Of the hub, which alone is told the token."""
    token: str
    private: bool
    """Machines of this network may be asked."""

    @asynccontextmanager
    async def get(self, url: str, *, start: int = 0, validator: str = "") -> AsyncIterator[Answer]:
        """From byte `start` on, if the content is still the one that `validator` names; otherwise from the first.

        Raises `Interrupted`, `FetchFailed`, `BadSource` or `AddressForbidden`.
        """
        import httpx  # not at the top: hardly any start of Solo fetches a model

        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = httpx.Timeout(READ_WITHIN_S, connect=CONNECT_WITHIN_S)
        # No proxy of the environment: it would look names up by itself, beside what is checked here.
        client = httpx.AsyncClient(trust_env=False, timeout=timeout, limits=limits, verify=_certificates())
        asked, sha256, size = url, "", None
        try:
            async with client:
                for _ in range(MOST_HOPS + 1):
                    with GUARD.allow(endpoint(url)):  # this machine, and only while it is asked
                        request = await self._request(client, url, start, validator)
                        response = await client.send(request, stream=True)
                        try:
                            if origin(url) == origin(asked):
                                # The hub says these before it sends elsewhere; whoever it sends to cannot change them.
                                sha256 = sha256 or _sha256(response, "x-linked-etag")
                                size = size or _number(response.headers.get("x-linked-size"))
                            if response.is_redirect and "location" in response.headers:
                                url = _next(url, response.headers["location"])
                                continue
                            yield _answer(response, start, sha256, size)
                            return
                        finally:
                            await response.aclose()
                raise FetchFailed(f"{asked} leads on more than {MOST_HOPS} times")
        except (httpx.TransportError, httpx.StreamError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise FetchFailed(f"the server cannot prove who it is: {error}") from error
            raise Interrupted(str(error) or type(error).__name__) from error
        except httpx.InvalidURL as error:
            raise BadSource(f"this is no URL: {error}") from error

    async def _request(self, client: httpx.AsyncClient, url: str, start: int, validator: str) -> httpx.Request:
        vetted = await vet(url, private=self.private)
        headers = {"Host": vetted.host, "User-Agent": f"solo/{solo.__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        if self.token and origin(url) == origin(self.endpoint):
            headers["Authorization"] = f"Bearer {self.token}"
        return client.build_request("GET", vetted.url, headers=headers, extensions={"sni_hostname": vetted.name})


def _next(url: str, location: str) -> str:
    try:
        there = urljoin(url, location)
    except ValueError as error:
        raise BadSource(f"{url} leads to what is no URL") from error
    if url.startswith("https:") and not there.startswith("https:"):
        raise BadSource(f"{url} leads to an address without encryption")
    return there


def _answer(response: httpx.Response, start: int, sha256: str, size: int | None) -> Answer:
    code = response.status_code
    if code == 416:
        whole = response.headers.get("content-range", "").rpartition("/")[2]
        # All of it is there already, or nothing that fits.
        return Answer(start if whole == str(start) else -1, _number(whole), "", sha256, _nothing())
    if code in {200, 206}:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed("the server packs the file, although it was asked not to")
        begin, total = 0, _number(response.headers.get("content-length"))
        if code == 206:
            told = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if told is None or int(told[1]) != start:
                raise FetchFailed("the server sends another part of the file than it was asked for")
            begin, total = start, _number(told[2])
        return Answer(begin, total or size, _validator(response), sha256 or _sha256(response, "etag"), _body(response))
    if code >= 500 or code in {408, 425, 429}:
        raise Interrupted(f"the server answered {code} {response.reason_phrase}")
    hint = "Is the name right?" if code in {404, 410} else ""
    if code in {401, 403}:
        hint = "The model may have to be asked for; SOLO_MODELS__TOKEN is told to the hub."
    raise FetchFailed(f"the server answered {code} {response.reason_phrase}", hint=hint)


async def _body(response: httpx.Response) -> AsyncIterator[bytes]:
    import httpx

    try:
        async for data in response.aiter_raw():
            yield data
    except (httpx.TransportError, httpx.StreamError) as error:
        raise Interrupted(str(error) or type(error).__name__) from error


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _validator(response: httpx.Response) -> str:
    """A strong ETag, or else a date."""
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified", "")


def _sha256(response: httpx.Response, header: str) -> str:
    value = response.headers.get(header, "").removeprefix("W/").strip('"').lower()
    return value if _SHA256.fullmatch(value) else ""


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _certificates() -> ssl.SSLContext:
    """Those of the system, and those that come with Solo's HTTP client."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
