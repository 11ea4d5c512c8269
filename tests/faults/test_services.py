"""An exception of any kind in any service leaves the others serving, and the service comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.daemon import Daemon, wait_for
from tests.stubs.faulty import KINDS

SERVICES = ("audio", "vad", "wake", "stt", "llm", "tts", "conversation", "api")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("faulty")
    fakes = {f"SOLO_{name}__ENGINE": "fake" for name in ("STT", "LLM", "TTS", "VAD", "WAKE")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | fakes | {"SOLO_STATE_DIR": str(folder), "SOLO_PORT": "0", "PYTHONPATH": str(ROOT)}
    code = (
        "import sys; from solo.run import load_tree, run; "
        "sys.exit(run(load_tree('tests.stubs.faulty:tree', {'audio': {'input': 'none'}})))"
    )
    log = folder / "test.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=folder, stdout=sink, stderr=sink)
    running = Daemon(process, folder, log)
    try:
        running.wait_ready()
        yield running
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", SERVICES)
def test_others_go_on(faulty: Daemon, service: str, kind: str) -> None:
    before = {one["name"]: one["restarts"] for one in faulty.status()["services"]}
    (faulty.state_dir / f"fault-{service}").write_text(kind)

    def crashed_and_back() -> bool:
        if faulty.process.poll() is not None:
            raise AssertionError(faulty.log.read_text()[-3000:])
        try:
            known = faulty.service(service)
        except httpx.TransportError:  # the door itself has just crashed, with this question in it
            return False
        return known["restarts"] > before[service] and known["state"] == "ready"

    wait_for(crashed_and_back, 45, f"{service} to crash with {kind} and be back")
    after = {one["name"]: one["restarts"] for one in faulty.status()["services"]}
    assert {name for name in after if after[name] != before[name]} == {service}
    assert faulty.ask("Hello?")["outcome"] == "answered"
