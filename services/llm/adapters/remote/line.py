"""The line to a server: requests with deadlines, tried again only while nothing has been answered."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.llm.adapters.remote.refusals import Refusal, refusal
from services.llm.remote import RemoteFailed, RemoteSlow, RemoteUnavailable
from solo.bus.errors import DeadlineExceeded
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput

if TYPE_CHECKING:
    import httpx

TRIES = 3
_JSON = {"content-type": "application/json"}
_PAUSE_S = 0.2
"""Before the second try, about; twice that before the third."""
_MOST_ERROR = 64 * 1024
"""Bytes of an error that are read."""


class Refused(Exception):
    """A server's answer that is an error, with what more is known of it; inside the adapter only."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal.error))
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Line:
    client: httpx.AsyncClient
    key: str | None = field(repr=False)
    shown: str
    """The server's URL, for messages."""

    @asynccontextmanager
    async def open(
        self, method: str, path: str, body: dict[str, Any] | None, by: float
    ) -> AsyncIterator[httpx.Response]:
        """A response with status 200 by `by` (loop time), its body not yet read; left early, its connection is closed.
        Raises `Refused`, `RemoteSlow`, `DeadlineExceeded`."""
        response = await self._tried(method, path, body, by)
        try:
            yield response
        finally:
            await response.aclose()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None, by: float, most: int) -> Any:
        """The JSON that is answered, of at most so many bytes. Raises as `open` and `RemoteFailed`."""
        async with self.open(method, path, body, by) as response:
            content = await self.read(response, by, most)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RemoteFailed(f"{self.shown} did not answer with JSON", hint="Is it the right URL?") from error

    async def read(self, response: httpx.Response, by: float, most: int) -> bytes:
        """A whole body. Raises RemoteFailed when it is larger than `most` bytes."""
        import httpx

        content = bytearray()
        try:
            async with asyncio.timeout_at(by), aclosing(aiter_raw(response)) as chunks:
                async for chunk in chunks:
                    content += chunk
                    if len(content) > most:
                        raise RemoteFailed(f"{self.shown} answered with more than {most // 1024} KiB")
        except TimeoutError as error:
            raise RemoteSlow(f"{self.shown} did not finish its answer in time") from error
        except httpx.HTTPError as error:
            raise RemoteUnavailable(f"{self.shown} broke off its answer") from error
        return bytes(content)

    async def _tried(self, method: str, path: str, body: dict[str, Any] | None, by: float) -> httpx.Response:
        loop = asyncio.get_running_loop()
        for attempt in range(1, TRIES + 1):
            try:
                return await self._once(method, path, body, by)
            except Refused as refused:
                if not refused.refusal.passing or attempt == TRIES:
                    raise
                pause = refused.refusal.pause_s
                if pause is None:
                    pause = _PAUSE_S * attempt * random.uniform(0.5, 1.5)
                if loop.time() + pause >= by:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def _once(self, method: str, path: str, body: dict[str, Any] | None, by: float) -> httpx.Response:
        import httpx

        response: httpx.Response | None = None
        content = None if body is None else _written(body)
        try:
            async with asyncio.timeout_at(by):
                request = self.client.build_request(method, path, content=content, headers=_JSON)
                response = await self.client.send(request, stream=True)
                if response.status_code == 200 and response.headers.get("content-encoding", "identity") == "identity":
                    return response
        except TimeoutError as error:
            raise RemoteSlow(
                f"{self.shown} did not begin to answer in time", hint="Look at what it is busy with, or give it longer."
            ) from error
        except httpx.HTTPError as error:
            raise Refused(Refusal(self._unreachable(error))) from error
        try:
            if response.status_code == 200:
                raise Refused(Refusal(RemoteFailed(f"{self.shown} compresses its answers", hint="Switch that off.")))
            said = await self._error_of(response)
            raise Refused(refusal(response.status_code, said, response.headers, self.key))
        finally:
            await response.aclose()

    async def _error_of(self, response: httpx.Response) -> bytes:
        """The beginning of an error's body; whatever befalls it, the status is known."""
        import httpx

        said = bytearray()
        try:
            async with asyncio.timeout(1), aclosing(aiter_raw(response)) as chunks:
                async for chunk in chunks:
                    said += chunk
                    if len(said) >= _MOST_ERROR:
                        break
        except (TimeoutError, httpx.HTTPError):
            pass
        return bytes(said[:_MOST_ERROR])

    def _unreachable(self, error: Exception) -> RemoteUnavailable:
        why = {"ConnectTimeout": "does not accept a connection in time", "ConnectError": "cannot be reached"}
        said = why.get(type(error).__name__, "hung up before it answered")
        return RemoteUnavailable(f"{self.shown} {said}", hint="Start the server, or look at its URL.")


def _written(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadEngineInput(f"The question cannot be written as JSON: {error}", hint="Make it simpler.") from error


def aiter_raw(response: httpx.Response) -> Any:
    """The body's bytes as they come: an async generator, which `httpx` declares as an iterator."""
    return response.aiter_raw()


def out_of_time(by: float, deadline: float, shown: str, what: str) -> SoloError:
    """The error for a wait that ended: the asker's own deadline, or the server's limit."""
    if by >= deadline:
        return DeadlineExceeded(f"{shown} was not done in the time that there was")
    return RemoteSlow(f"{shown} {what}", hint="Look at what it is busy with, or give it longer.")
