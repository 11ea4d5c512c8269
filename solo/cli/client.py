"""Finds the daemon and speaks HTTP and WebSocket to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import connect

from solo.errors import SoloError
from solo.settings import DEFAULT_PORT, MachineSettings
from solo.state_dir import StateDir

FRAME_BYTES = 640
"""20 ms of s16le mono 16 kHz."""
FRAME_S = 0.02
TAIL_S = 2.0
"""Silence fed behind a file, as a microphone would: the end of speech is known by it."""
TURN_WITHIN_S = 150.0
_PLAIN: dict[str, Any] = {"verify": False, "trust_env": False}
"""Neither certificates nor proxies for plain HTTP on loopback: loading the former takes longer than most answers."""


class NoDaemon(SoloError):
    """No daemon answers."""

    code = "cli.no_daemon"


class Refused(SoloError):
    """The daemon refused the request."""

    code = "cli.refused"


@dataclass(slots=True)
class Answer:
    """One turn as the client saw it."""

    turn: dict[str, Any]
    pcm: bytearray = field(default_factory=bytearray)
    sample_rate: int = 0


class Client:
    """One daemon: port from flag, SOLO_PORT, or what the state directory says; key from the state directory."""

    def __init__(self, machine: MachineSettings, *, port: int | None = None) -> None:
        home = StateDir(machine.state_dir)
        known = home.daemon()
        if port is None:
            chosen = (
                "port" in machine.model_fields_set and machine.port != 0
            )  # 0: a free one, which the daemon wrote down
            port = machine.port if chosen or known is None else known.port
        self.address = f"127.0.0.1:{port or DEFAULT_PORT}"
        self._state_dir = home.path
        self._key = home.owner_key(create=False) or ""

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def get(self, path: str, *, within: float = 10.0) -> dict[str, Any]:
        return self._ask("GET", path, within=within)

    def post(self, path: str, body: dict[str, Any] | None = None, *, within: float = 10.0) -> dict[str, Any]:
        return self._ask("POST", path, body, within=within)

    def patch(self, path: str, body: dict[str, Any], *, within: float = 10.0) -> dict[str, Any]:
        return self._ask("PATCH", path, body, within=within)

    def download(self, path: str, *, within: float = 60.0) -> bytes:
        """A file as it is."""
        try:
            response = httpx.get(f"http://{self.address}{path}", headers=self._headers(), timeout=within, **_PLAIN)
            if response.status_code >= 400:
                raise _error(response.json())
        except (httpx.TransportError, ValueError) as error:
            raise self._no_daemon() from error
        return response.content

    def delete(self, path: str, *, within: float = 60.0) -> dict[str, Any]:
        return self._ask("DELETE", path, within=within)

    def events(self, path: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events: (name, data)."""
        return self._events("POST", path, within=TURN_WITHIN_S, json=body)

    def completion(self, body: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Chunks of a streamed `POST /v1/chat/completions`; closing it closes the socket, which stops the answer."""
        headers = {**self._headers(), "accept": "text/event-stream"}
        url = f"http://{self.address}/v1/chat/completions"
        try:
            with httpx.stream("POST", url, headers=headers, timeout=TURN_WITHIN_S, json=body, **_PLAIN) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _error(response.json())
                for line in response.iter_lines():
                    data = line.removeprefix("data: ")
                    if data == line or data == "[DONE]":  # a comment, an empty line, or the end
                        continue
                    chunk = json.loads(data)
                    if "error" in chunk:
                        raise _error(chunk)
                    yield chunk
        except (httpx.TransportError, ValueError) as error:
            raise self._no_daemon() from error

    def upload(self, path: str, content: bytes, *, within: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """The same for a file sent as it is; `within` seconds from one event to the next."""
        return self._events("PUT", path, within=within, content=content)

    def _events(self, method: str, path: str, *, within: float, **body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        headers = {**self._headers(), "accept": "text/event-stream"}
        try:
            with httpx.stream(
                method, f"http://{self.address}{path}", headers=headers, timeout=within, **body, **_PLAIN
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _error(response.json())
                name = ""
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        data = json.loads(line.removeprefix("data: "))
                        if name == "error":
                            raise _error(data)
                        yield name, data
        except (httpx.TransportError, ValueError) as error:
            raise self._no_daemon() from error

    async def voice(
        self,
        start: dict[str, Any],
        pcm: bytes | None,
        *,
        on_message: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Answer:
        """One turn over `/ws/voice`; `pcm` (s16le mono 16 kHz) is fed in real time, 20 ms at a time."""
        try:
            async with asyncio.timeout(TURN_WITHIN_S + len(pcm or b"") / FRAME_BYTES * FRAME_S):
                async with connect(
                    f"ws://{self.address}/ws/voice", additional_headers=self._headers(), max_size=16 * 1024 * 1024
                ) as socket:
                    await socket.send(json.dumps({"type": "start", **start}))
                    over = asyncio.Event()
                    async with _beside(_feed(socket.send, pcm, over) if pcm is not None else None):
                        return await _collect(socket, on_message, over)
        except TimeoutError as error:
            raise Refused(f"the daemon on {self.address} did not finish the turn in time") from error
        except (OSError, websockets.InvalidHandshake) as error:
            if isinstance(error, websockets.InvalidStatus) and error.response.status_code in {401, 403, 421}:
                raise Refused(f"the daemon on {self.address} does not accept the key in {self._state_dir}") from error
            raise self._no_daemon() from error
        except websockets.ConnectionClosed as error:
            raise Refused(f"the daemon on {self.address} closed the connection in mid-turn") from error

    @asynccontextmanager
    async def facts(self) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Everything that happens, from now on."""
        try:
            async with connect(
                f"ws://{self.address}/ws/events", additional_headers=self._headers(), max_size=16 * 1024 * 1024
            ) as socket:
                yield (json.loads(message) async for message in socket)
        except (OSError, websockets.InvalidHandshake) as error:
            raise self._no_daemon() from error

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, within: float) -> dict[str, Any]:
        try:
            response = httpx.request(
                method, f"http://{self.address}{path}", json=body, headers=self._headers(), timeout=within, **_PLAIN
            )
            content: dict[str, Any] = response.json()
        except (httpx.TransportError, ValueError) as error:
            raise self._no_daemon() from error
        if response.status_code >= 400 and "error" in content:
            raise _error(content)
        return content

    def _no_daemon(self) -> NoDaemon:
        return NoDaemon(
            f"no Solo answers on {self.address}",
            hint="Start it with `solo run`, or set SOLO_PORT and SOLO_STATE_DIR to those of the daemon you mean.",
        )


def _error(content: dict[str, Any]) -> SoloError:
    """The routes below /v1 may leave the code out, and have no hint."""
    wire = content["error"]
    return SoloError.from_wire({**wire, "code": str(wire.get("code") or Refused.code)})


@asynccontextmanager
async def _beside(work: Awaitable[None] | None) -> AsyncIterator[None]:
    task = None if work is None else asyncio.ensure_future(work)
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _feed(send: Callable[[Any], Awaitable[None]], pcm: bytes, over: asyncio.Event) -> None:
    """By an absolute schedule, so that the pace does not drift; ends early once the question was understood."""
    frames = [pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(pcm), FRAME_BYTES)]
    frames += [bytes(FRAME_BYTES)] * int(TAIL_S / FRAME_S)
    begin = time.monotonic()
    for index, frame in enumerate(frames):
        await asyncio.sleep(max(0.0, begin + index * FRAME_S - time.monotonic()))
        if over.is_set():
            return
        await send(frame)
    await send(json.dumps({"type": "end"}))


async def _collect(socket: Any, on_message: Callable[[dict[str, Any]], None], over: asyncio.Event) -> Answer:
    answer = Answer(turn={})
    async for message in socket:
        if isinstance(message, bytes):
            answer.pcm += message
            continue
        said = json.loads(message)
        on_message(said)
        if said["type"] == "sound":
            answer.sample_rate = said["sample_rate"]
        elif said["type"] == "heard":
            over.set()
        elif said["type"] == "error":
            raise _error(said)
        elif said["type"] == "turn":
            answer.turn = said["turn"]
            return answer
    raise Refused("the daemon closed the connection without an answer")
