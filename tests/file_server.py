"""A web server for files, on loopback, which can be told to misbehave; it writes down what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Page:
    """One file, and how it is served."""

    content: bytes = b""
    etag: str = '"one"'
    ranges: bool = True
    """It knows the header Range."""
    cut_after: list[int] = field(default_factory=list)
    """For the first answers, in turn: bytes of the body after which the connection is cut."""
    status: list[int] = field(default_factory=list)
    """For the first answers, in turn: another status, without a body."""
    location: str = ""
    """It leads there."""
    length: bool = True
    """It says how long the body is."""
    headers: dict[str, str] = field(default_factory=dict)
    drip: tuple[int, float] | None = None
    """So many bytes, then a pause of so many seconds, again and again."""
    lies_about_range: bool = False
    """It answers 206 and sends another part."""
    stall: asyncio.Event | None = None
    """After the first half it waits for this."""


@dataclass
class Asked:
    path: str
    headers: dict[str, str]


@dataclass
class FileServer:
    port: int = 0
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def file_server() -> AsyncIterator[FileServer]:
    state = FileServer()
    tasks: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with suppress(OSError, asyncio.IncompleteReadError), closing_at_once(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = (line.split(": ", 1) for line in head[1:] if ": " in line)
            headers = {name.lower(): value for name, value in fields}
            path = head[0].split()[1]
            state.asked.append(Asked(path, headers))
            await _answer(writer, state.pages.get(path), headers)

    listener = await asyncio.start_server(meet, "127.0.0.1", 0)
    state.port = listener.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def closing_at_once(writer: asyncio.StreamWriter) -> Iterator[None]:
    """What was written is sent, where nobody is cancelled."""
    try:
        yield
    except BaseException:
        writer.transport.abort()
        raise
    writer.close()


async def _answer(writer: asyncio.StreamWriter, page: Page | None, asked: dict[str, str]) -> None:
    if page is None or page.status:
        code = 404 if page is None else page.status.pop(0)
        writer.write(f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return
    headers = {"Connection": "close", **page.headers}
    if page.location:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: {page.location}\r\nContent-Length: 0\r\n{lines}\r\n".encode("latin-1")
        )
        await writer.drain()
        return
    body, status = page.content, "200 OK"
    if page.etag:
        headers["ETag"] = page.etag
    wanted = asked.get("range")
    if wanted and page.ranges and asked.get("if-range", page.etag) == page.etag:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            writer.write(
                f"HTTP/1.1 416 No\r\nContent-Range: bytes */{len(body)}\r\nContent-Length: 0\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            await writer.drain()
            return
        first = 0 if page.lies_about_range else start
        headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        body, status = body[first:], "206 Partial Content"
    if page.length:
        headers["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1"))
    if page.cut_after:
        writer.write(body[: page.cut_after.pop(0)])
        await writer.drain()
        writer.transport.close() if page.length else writer.transport.abort()
        return
    if page.stall is not None:
        writer.write(body[: len(body) // 2])
        await writer.drain()
        await page.stall.wait()
        body = body[len(body) // 2 :]
    if page.drip is not None:
        size, pause = page.drip
        for at in range(0, len(body), size):
            writer.write(body[at : at + size])
            await writer.drain()
            await asyncio.sleep(pause)
        return
    writer.write(body)
    await writer.drain()
