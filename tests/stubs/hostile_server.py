"""A server on loopback that answers each request exactly as it is told to, however wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODELS = {"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "someone"}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}}


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


Reply = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Hostile:
    """`replies` are used one after the other, the last one for ever; /models is answered properly."""

    replies: list[Reply]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """A client has closed a connection."""
    models: Any = field(default_factory=lambda: MODELS)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Hostile]:
        connections: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await self._serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # asyncio reports a connection's task that ends cancelled
            finally:
                self.gone.set()
                writer.close()
                connections.discard(task)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            method, path, _ = line.decode().split(" ")
            headers = {}
            while (header := await reader.readline()) not in {b"\r\n", b""}:
                name, _, value = header.decode().partition(":")
                headers[name.strip().lower()] = value.strip()
            content = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, json.loads(content) if content else None)
            if path.endswith("/models"):
                await answer(200, self.models)(asked, writer)
                continue
            self.asked.append(asked)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            replying = asyncio.ensure_future(reply(asked, writer))
            leaving = asyncio.create_task(reader.read(1))
            try:
                await asyncio.wait({replying, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not replying.done() or writer.is_closing():
                    return
                replying.result()
            finally:
                replying.cancel()
                leaving.cancel()
                await asyncio.gather(replying, leaving, return_exceptions=True)


def answer(status: int, body: Any, *headers: str) -> Reply:
    """An ordinary response; `body` is JSON, or bytes as they are."""

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} It", f"content-length: {len(content)}", "content-type: application/json", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        await writer.drain()

    return reply


def stream(*pieces: bytes | float, end: bool = True, headers: str = "") -> Reply:
    """A chunked stream of these bytes, a number being a pause in seconds; `end`: with its proper last chunk,
    else the connection is closed where it is."""

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{headers}\r\n"
        writer.write(head.encode())
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
            else:
                await asyncio.sleep(piece)
        if end:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            writer.close()

    return reply


async def hang_up(_: Asked, writer: asyncio.StreamWriter) -> None:
    """No answer at all."""
    writer.close()


async def silence(_: Asked, __: asyncio.StreamWriter) -> None:
    """Nothing, for ever."""
    await asyncio.Event().wait()


def event(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def said(text: str, **more: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}]})


DONE = b"data: [DONE]\n\n"
GOOD = stream(said("Par"), said("is"), event(END), event(USAGE), DONE)
