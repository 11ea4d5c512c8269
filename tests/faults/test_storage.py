"""The database frozen, gone or full: answers go on without memory, writes are refused by name, and all ends well."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.daemon import Daemon, daemon, wait_for
from tests.postgres import proxy, server

FAKES = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")} | {"MEMORY__EMBEDDER": "fake"}
EVERY_CALL_WITHIN_S = 5.0
BACK_WITHIN_S = 20.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def remember(running: Daemon, text: str) -> httpx.Response:
    return call(running, "POST", "/api/memory/facts", {"text": text})


def put_document(running: Daemon, name: str, text: str) -> None:
    answer = httpx.put(
        f"http://127.0.0.1:{running.port}/api/memory/documents",
        params={"collection": "documents", "name": name},
        content=text.encode(),
        headers={"Authorization": f"Bearer {running.key}", "Accept": "application/json"},
        timeout=30,
    )
    assert answer.json()["verdict"] == "stored", answer.text


def call(running: Daemon, method: str, path: str, body: dict[str, object] | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {running.key}"}
    return httpx.request(method, f"http://127.0.0.1:{running.port}{path}", json=body, headers=headers, timeout=30)


async def test_a_frozen_database(tmp_path: Path) -> None:
    async with server(tmp_path / "server") as address, proxy(address) as between:

        def story() -> None:
            with daemon(tmp_path / "solo", DATABASE__URL=between.url(address), **FAKES) as running:
                wait_for(lambda: remember(running, "My bicycle is green.").status_code == 201, 30, "a write")
                put_document(running, "bicycle.txt", "The bicycle in the cellar has a flat tyre.")
                assert running.ask("What colour is my bicycle?")["stored"]
                between.mood = "freeze"
                for _ in range(3):
                    turn = running.ask("What colour is my bicycle?")
                    assert turn["outcome"] == "answered"
                    assert turn["memory"]["state"] in {"late", "failed"}, turn["memory"]
                    assert not turn["stored"]
                for method, path, body in (
                    ("GET", "/api/memory/facts", None),
                    ("POST", "/api/memory/facts", {"text": "This is not acknowledged."}),
                    ("POST", "/api/memory/search", {"query": "bicycle"}),
                    ("GET", "/api/chats", None),
                    ("GET", "/api/metrics", None),
                ):
                    began = time.monotonic()
                    answer = call(running, method, path, body)
                    took = time.monotonic() - began
                    assert answer.status_code in {503, 504}, (path, answer.text)
                    print(f"frozen: {method} {path} ended after {took:.2f} s", flush=True)
                    assert took < EVERY_CALL_WITHIN_S, (path, took)
                wait_for(lambda: running.service("database")["state"] == "degraded", 20, "the keeper to say so")
                between.mood = "pass"
                wait_for(lambda: remember(running, "My bicycle is fast.").status_code == 201, BACK_WITHIN_S, "a write")
                assert running.ask("What colour is my bicycle?")["stored"]
                assert running.process.poll() is None

        await asyncio.to_thread(story)


async def test_an_external_database_that_comes_late(tmp_path: Path) -> None:
    async with server(tmp_path / "server") as address, proxy(address) as between:
        between.mood = "drop"

        def story() -> None:
            with daemon(tmp_path / "solo", DATABASE__URL=between.url(address), **FAKES) as running:
                assert running.service("database")["state"] == "degraded"
                assert running.ask("Hello?")["outcome"] == "answered"
                assert remember(running, "Too early.").status_code == 503
                between.mood = "pass"
                wait_for(lambda: remember(running, "In time.").status_code == 201, BACK_WITHIN_S, "a write")

        await asyncio.to_thread(story)


def test_an_embedded_server_that_hangs_is_replaced(tmp_path: Path) -> None:
    with daemon(tmp_path, **FAKES) as running:
        wait_for(lambda: remember(running, "Before.").status_code == 201, 30, "a write")
        frozen = running.engine_pid("database")
        for pid in _family(frozen):
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: running.service("database")["restarts"] > 0, 40, "the keeper to notice")
        wait_for(lambda: remember(running, "Behind.").status_code == 201, 40, "a write")
        assert running.engine_pid("database") != frozen


def _family(pid: int) -> list[int]:
    import psutil

    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own, which is soon full."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(parents=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={megabytes}m,mode=700".encode()) != 0:
        pytest.skip("no right to mount a small file system here")
    try:
        yield folder
    finally:
        libc.umount2(str(folder).encode(), 2)


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 160) as disk, daemon(disk, **FAKES) as running:
        wait_for(lambda: remember(running, "Before the disk was full.").status_code == 201, 30, "a write")
        filler = disk / "filler"
        free = os.statvfs(disk)
        with filler.open("wb") as file:
            try:
                for _ in range(free.f_bavail * free.f_frsize // 65536 + 16):
                    file.write(bytes(65536))
                    file.flush()
            except OSError:
                pass
        refused = wait_for(lambda: _refused(running), 60, "a refusal")
        assert refused["code"] in {"db.full", "db.unavailable", "db.timeout"}, refused
        wait_for(lambda: call(running, "GET", "/api/memory/facts").status_code == 200, 30, "a read")
        assert running.ask("Hello?")["outcome"] == "answered"
        filler.unlink()
        wait_for(lambda: remember(running, "There is space again.").status_code == 201, 30, "a write")
        facts = call(running, "GET", "/api/memory/facts").json()["facts"]
        assert {"Before the disk was full.", "There is space again."} <= {fact["text"] for fact in facts}


def _refused(running: Daemon) -> dict[str, str] | None:
    """Writes until one is refused: the server still has some space of its own."""
    answer = call(
        running, "POST", "/api/memory/facts", {"text": " ".join(os.urandom(6).hex() for _ in range(150))[:1990]}
    )
    error: dict[str, str] | None = answer.json().get("error") if answer.status_code >= 500 else None
    return error
