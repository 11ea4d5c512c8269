"""`solo models` as a user runs it, against a daemon with a folder of good and hostile files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, daemon, wait_for
from tests.file_server import FileServer, Page, file_server
from tests.gguf_files import model_values, small_model
from tests.hostile_gguf import hostile
from tests.unsafe_templates import TEMPLATES

pytestmark = pytest.mark.engine
FAKES: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("WAKE", "STT", "LLM", "TTS", "VAD")}
HOSTILE = [*hostile().values()][::8]
UNSAFE = ["cycler to os", "text to Popen", "ranges in ranges in ranges", "a text that doubles"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    state = tmp_path_factory.mktemp("models")
    folder = state / "models"
    folder.mkdir()
    (folder / "Tiny-Instruct.gguf").write_bytes(small_model())
    for number, data in enumerate(HOSTILE):
        (folder / f"hostile-{number}.gguf").write_bytes(data)
    for number, name in enumerate(UNSAFE):
        template = TEMPLATES[name]
        assert isinstance(template, str)
        data = small_model(model_values(template.replace("CANARY", str(state / "canary"))))
        (folder / f"unsafe-{number}.gguf").write_bytes(data)
    for path in folder.iterdir():
        os.utime(path, (time.time() - 60,) * 2)
    with daemon(state, **FAKES, MODELS__PRIVATE_ADDRESSES="true") as one:
        yield one


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    """In a thread of its own: the commands are waited for."""
    loop, found, over = asyncio.new_event_loop(), list[FileServer](), asyncio.Event()

    async def serve() -> None:
        async with file_server() as one:
            found.append(one)
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    wait_for(lambda: bool(found), 10, "the file server")
    yield found[0]
    loop.call_soon_threadsafe(over.set)
    thread.join(10)
    loop.close()


def command(one: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | {"SOLO_STATE_DIR": str(one.state_dir), "SOLO_PORT": str(one.port), "COLUMNS": "200"}
    line = [sys.executable, "-m", "solo.cli", "models", *words]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd="/")


def told(one: Daemon, *words: str) -> Any:
    done = command(one, *words, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_the_folder_and_what_is_packaged_are_listed(running: Daemon) -> None:
    found = {model["name"]: model for model in told(running, "list")["models"]}
    assert found["smollm2-135m-instruct.q4_1"]["verdict"] == "usable"
    assert found["tiny-instruct"]["verdict"] == "unchecked"
    bad = [model for name, model in found.items() if name.startswith("hostile")]
    assert len(bad) == len(HOSTILE) and all(model["verdict"] == "refused" and model["reason"] for model in bad)
    done = command(running, "list")
    assert done.returncode == 0 and "smollm2-135m-instruct.q4_1" in done.stdout


def test_a_sound_one_is_verified(running: Daemon) -> None:
    model = told(running, "verify", "tiny-instruct")
    assert (model["verdict"], len(model["sha256"])) == ("usable", 64)
    assert command(running, "info", "tiny-instruct").returncode == 0


def test_hostile_templates_are_refused_and_reach_nothing(running: Daemon) -> None:
    before = running.status()["pid"]
    for number in range(len(UNSAFE)):
        done = command(running, "verify", f"unsafe-{number}")
        assert done.returncode == 1 and "is refused: its chat template" in done.stderr
    assert not (running.state_dir / "canary").exists()
    assert running.status()["pid"] == before == running.pid
    assert running.service("models")["restarts"] == 0


def test_pull_import_and_rm(running: Daemon, server: FileServer, tmp_path: Path) -> None:
    server.pages["/fetched.gguf"] = Page(small_model(), cut_after=[20_000])
    done = command(running, "pull", server.url("/fetched.gguf"))
    assert (done.returncode, done.stderr) == (0, "") and "fetched is usable" in done.stdout
    assert command(running, "pull", server.url("/fetched.gguf")).returncode != 0  # it is there
    (tmp_path / "mine.gguf").write_bytes(small_model())
    assert told(running, "import", str(tmp_path / "mine.gguf"))["verdict"] == "usable"
    assert command(running, "rm", "mine").returncode == 2  # nobody said yes
    assert command(running, "rm", "mine", "--yes").returncode == 0
    assert not (running.state_dir / "models/mine.gguf").exists()
    assert command(running, "rm", "smollm2-135m-instruct.q4_1", "--yes").returncode == 1
    assert "fetched" in {model["name"] for model in told(running, "list")["models"]}


def test_a_wrong_checksum(running: Daemon, server: FileServer) -> None:
    server.pages["/other.gguf"] = Page(small_model())
    done = command(running, "pull", server.url("/other.gguf"), "--sha256", "0" * 64)
    assert done.returncode == 1 and "[models.checksum]" in done.stderr
    assert not (running.state_dir / "models/other.gguf").exists()


def test_the_best_for_this_machine(running: Daemon) -> None:
    best = told(running, "choose", "--memory", "2GB")["models"][0]
    assert best["name"] == "smollm2-135m-instruct.q4_1" and "needs" in best["note"]


def test_what_is_not_there(running: Daemon) -> None:
    for words in (["info", "none"], ["verify", "none"], ["rm", "none", "--yes"]):
        done = command(running, *words)
        assert done.returncode != 0 and "[models.unknown]" in done.stderr and done.stderr.count("\n") == 1
