"""The sound device vanishes, stalls and goes mad in a real daemon: it is seen, told, mended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.daemon import Daemon, daemon, wait_for
from tests.faults.conftest import ROUNDS, TABLE
from tests.faults.events import Fact, watching

FAKES = {f"{name}__ENGINE": "fake" for name in ("LLM", "STT", "TTS", "WAKE", "VAD")}
READY_WITHIN_S = 240.0
SEEN_WITHIN_S = 30.0
BACK_WITHIN_S = 60.0
FINE: dict[str, Any] = {}
FAULTS: dict[str, dict[str, Any]] = {
    "vanish": {"inputs": [], "outputs": []},
    "stall": {"fault": {"desk": "stall"}},
    "junk": {"fault": {"desk": "junk"}},
}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("device") / "script.json"
    write(path, FINE)
    return path


@pytest.fixture(scope="module")
def house(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("house"), "--audio", f"fake:{script}", ready=False, **FAKES) as running:
        wait_for(lambda: healthy(running), READY_WITHIN_S, "the device to be well")
        pid = running.pid
        yield running
        assert running.process.poll() is None, "the daemon died"
        assert running.status()["pid"] == pid


def write(path: Path, found: dict[str, Any]) -> None:
    rest = path.with_suffix(".new")
    rest.write_text(json.dumps(found))
    rest.replace(path)


def _input(state: Callable[[str], bool]) -> Callable[[Fact], bool]:
    return lambda fact: fact["kind"] == "DeviceChanged" and state(fact["device"]["input_state"])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.timeout(1800)
def test_device(house: Daemon, script: Path, fault: str) -> None:
    row = TABLE[("device", fault, "hearing")]
    for _ in range(ROUNDS):
        wait_for(lambda: healthy(house), BACK_WITHIN_S, "the device to be well")
        time.sleep(1.5)  # so that there was sound before the silence
        with watching(house) as facts:
            began = time.monotonic()
            write(script, FAULTS[fault])
            noticed = facts.first(
                _input(lambda state: state not in {"healthy", "starting"}), within=SEEN_WITHIN_S, what="it to be seen"
            )
            row.noticed_s.append(noticed["monotonic"] - began)
            state = house.service("device")
            assert state["restarts"] == 0, "the device's service does not crash with its device"
            assert house.ask("What is it?")["outcome"] == "answered"
            began = time.monotonic()
            write(script, FINE)
            wait_for(lambda: healthy(house), BACK_WITHIN_S, "the device to be back")
            row.recovered_s.append(time.monotonic() - began)
            row.outcomes.append("answered")
    assert house.service("device")["note"] == ""


def healthy(house: Daemon) -> bool:
    try:
        engine = house.service("device")["engine"]
    except (OSError, ValueError, KeyError, StopIteration, httpx.TransportError):
        return False  # the door is not open yet
    return engine is not None and engine["info"].get("input_state") == "healthy"
