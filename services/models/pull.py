"""Fetches model files: goes on with what has come, checks what came, and gives it its name only when it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from services.messages.models import FileProgress
from services.models.content import need_space
from services.models.errors import ChecksumWrong, FetchFailed, FileTooLarge, ModelRefused
from services.models.fetch import Answer, Fetcher, Interrupted
from services.models.part import PartFile

TRIES = 5
"""In a row that brought hardly anything, before it is given up."""
MOST_TRIES = 1000
"""For one file."""
PAUSE_S = 1.0
"""Before the second try; twice as long before each further one."""
TOLD_EVERY_S = 0.2
SLOW_S = 60.0
"""A server that sends less than `SLOW_BYTES` in so many seconds is asked afresh."""
SLOW_BYTES = 64 * 1024
_BLOCK = 1024 * 1024
"""Bytes written at a time."""


class _Pace:
    """Not every piece is worth a word."""

    def __init__(self) -> None:
        self._last = 0.0

    def due(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._last < TOLD_EVERY_S:
            return False
        self._last = now
        return True


@dataclass(slots=True)
class Pull:
    """One file."""

    fetcher: Fetcher
    url: str
    target: Path
    sha256: str
    """What it must hash to; empty: what the server says, where it says so."""
    most_bytes: int
    total: int | None = None
    """Bytes of the whole file, once the server has said so."""
    content: str = ""
    """SHA-256 of the content, once it is whole."""

    async def run(self) -> AsyncGenerator[FileProgress, None]:
        """Behind it the file has its name. What came is kept when it ends before, unless it was not what was asked for.

        Raises `FetchFailed`, `ChecksumWrong`, `FileTooLarge`, `NoSpace`, `ModelExists`, `BadSource`,
        `AddressForbidden`, `ModelRefused`.
        """
        with PartFile(self.target, self.url, self.sha256) as part:
            async with aclosing(self._steps(part)) as steps:
                async for step in steps:
                    yield step

    async def _steps(self, part: PartFile) -> AsyncGenerator[FileProgress, None]:
        yield FileProgress(step="connecting", done_bytes=part.have)
        hashed, pace = 0, _Pace()
        while length := await asyncio.to_thread(part.hash_next):
            hashed += length
            if pace.due():
                yield FileProgress(step="hashing", done_bytes=hashed, total_bytes=part.have)
        failures = 0
        for tried in range(1, MOST_TRIES + 1):
            before = part.have
            try:
                async with aclosing(self._attempt(part)) as steps:
                    async for step in steps:
                        yield step
                break
            except Interrupted as error:
                failures = 1 if part.have - before >= SLOW_BYTES else failures + 1
                if failures >= TRIES or tried == MOST_TRIES:
                    raise FetchFailed(
                        f"it was given up after {tried} tries: {error}",
                        hint="Ask again: it goes on where it stopped." if part.have else "Is the address right?",
                    ) from error
                yield FileProgress(step="connecting", done_bytes=part.have, total_bytes=self.total)
                await asyncio.sleep(PAUSE_S * 2 ** (failures - 1))
        self.content = part.sha256
        if self.sha256 and self.content != self.sha256:
            part.drop()
            raise ChecksumWrong(
                f"what came has the SHA-256 {self.content} and not {self.sha256}",
                hint="Is it the right file? What came was deleted.",
            )
        await asyncio.to_thread(part.finish)

    async def _attempt(self, part: PartFile) -> AsyncGenerator[FileProgress, None]:
        """One connection."""
        async with self.fetcher.get(self.url, start=part.have, validator=part.validator) as answer:
            self.total = answer.total
            if answer.start < 0 or (part.have and answer.start and self._is_another(part, answer)):
                part.begin("")  # what is there is of another content
                raise Interrupted("the file has changed on the server")
            if answer.sha256 and not self.sha256:
                self.sha256 = answer.sha256
            if answer.start == 0:
                part.begin(answer.validator)
            if answer.total is not None:
                self._refuse_large(answer.total)
                need_space(self.target.parent, answer.total - part.have)
            pace = _Pace()
            async with aclosing(self._blocks(answer)) as blocks:
                async for block in blocks:
                    _refuse_others(part, block)
                    self._refuse_large(part.have + len(block))
                    if answer.total is None:
                        need_space(self.target.parent, len(block))
                    await asyncio.to_thread(part.write, block)
                    if pace.due():
                        yield FileProgress(step="fetching", done_bytes=part.have, total_bytes=answer.total)
            if answer.total is not None and part.have != answer.total:
                raise Interrupted(f"the connection ended after {part.have} of {answer.total} bytes")
            yield FileProgress(step="fetching", done_bytes=part.have, total_bytes=part.have)

    async def _blocks(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        """The body in pieces worth writing; what had come before the connection broke is handed out too."""
        loop = asyncio.get_running_loop()
        waiting = bytearray()
        since, got = loop.time(), 0
        told = since - TOLD_EVERY_S  # the first bytes are written at once: they say what kind of file it is
        try:
            async for data in answer.body:
                waiting += data
                got += len(data)
                now = loop.time()
                if now - since >= SLOW_S:
                    if got < SLOW_BYTES:
                        raise Interrupted(f"the server sent {got} bytes in {now - since:.0f} s")
                    since, got = now, 0
                if len(waiting) >= _BLOCK or now - told >= TOLD_EVERY_S:
                    yield bytes(waiting)
                    waiting.clear()
                    told = now
        except Interrupted:
            if waiting:
                yield bytes(waiting)
            raise
        if waiting:
            yield bytes(waiting)

    def _is_another(self, part: PartFile, answer: Answer) -> bool:
        return bool(part.validator and answer.validator and part.validator != answer.validator)

    def _refuse_large(self, size: int) -> None:
        if size > self.most_bytes:
            raise FileTooLarge(
                f"the file has more than {self.most_bytes / 1e9:.1f} GB", hint="SOLO_MODELS__LARGEST_GB sets the limit."
            )


def _refuse_others(part: PartFile, block: bytes) -> None:
    """A page that asks to sign in is no model, and it is not kept."""
    if part.have == 0 and len(block) >= 4 and block[:4] != b"GGUF":
        part.drop()
        raise ModelRefused("what the server sends is not a GGUF file", hint="Is this the address of the file itself?")
