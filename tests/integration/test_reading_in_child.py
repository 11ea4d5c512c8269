"""The reader of documents as Solo runs it, in a process with limits: bombs and crashes end there."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from services.memory.adapters.formats import archive
from services.memory.engines import DocumentProtected, DocumentTooLarge
from solo.errors import SoloError
from solo.isolation.engine import EngineDied
from solo.isolation.process import EngineProcess, EngineSpec
from tests.contract import documents
from tests.contract.documents import body, prose, raw_docx

pytestmark = [
    pytest.mark.daemon_loop,
    pytest.mark.skipif(sys.platform != "linux", reason="the confinement tested here is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
MB = 1024**2
READER = "services.memory.adapters.reader:DocumentReader"


def reader(memory_limit: int = 400 * MB, **options: Any) -> EngineProcess:
    return EngineProcess(EngineSpec(READER, options, memory_limit=memory_limit, python_path=(str(ROOT),)))


async def read(engine: EngineProcess, name: str, content: bytes, within: float = 60) -> dict[str, Any]:
    answer: dict[str, Any] = await engine.call("read", within=within, name=name, content=content)
    return answer


async def test_it_reads_there_and_names_what_is_wrong() -> None:
    async with reader().running() as engine:
        result = await read(engine, "a.pdf", documents.pdf([["Über die Brücke."]]))
        assert result["chunks"] == [{"text": "Über die Brücke.", "page": 1, "offset": 0}]
        with pytest.raises(DocumentProtected):
            await read(engine, "a.pdf", documents.pdf([["a"]], password="x"))
        assert (await read(engine, "a.txt", prose(10).encode()))["chunks"]


async def test_a_bomb_within_the_limits_of_its_format_meets_that_of_memory() -> None:
    """50 MB of empty paragraphs, each with a number so that they pack badly: a tree of more than half a gigabyte."""
    dice = random.Random(7)
    bomb = raw_docx(body("".join(f'<w:p w:rsidR="{dice.getrandbits(32):08x}"/>' for _ in range(2_000_000))))
    archive.check(bomb)
    before = _own_memory()
    try:
        async with reader().running() as engine:
            try:
                await read(engine, "a.docx", bomb)
            except DocumentTooLarge:
                assert (await read(engine, "a.txt", b"Still there."))["chunks"]
                return
            except SoloError as error:
                assert isinstance(error, EngineDied)
            else:
                pytest.fail("the bomb was read")
            await asyncio.Event().wait()
    except* EngineDied:
        pass
    finally:
        assert _own_memory() < before + 200 * MB


async def test_a_crash_of_a_parser_ends_the_child_alone() -> None:
    async def crash(engine: EngineProcess) -> None:
        assert engine.pid is not None
        reading = asyncio.ensure_future(read(engine, "a.txt", prose(20_000).encode()))
        await asyncio.sleep(0)
        os.kill(engine.pid, signal.SIGSEGV)
        with pytest.raises(EngineDied):
            await reading

    with pytest.raises(ExceptionGroup) as ended:
        async with reader().running() as engine:
            await crash(engine)
            await asyncio.Event().wait()
    assert ended.group_contains(EngineDied)
    async with reader().running() as another:
        assert (await read(another, "a.txt", b"A new one."))["chunks"]


async def test_an_asker_who_leaves_leaves_a_usable_reader() -> None:
    async with reader().running() as engine:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await read(engine, "a.txt", prose(60_000).encode())
        assert (await read(engine, "a.txt", b"Still there."))["chunks"]


def _own_memory() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
