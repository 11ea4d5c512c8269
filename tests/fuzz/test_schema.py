"""Every route asked with what its own description allows and forbids: no crash, nothing that was not announced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from tests.daemon import Daemon, daemon

EXAMPLES = int(os.environ.get("TEST_FUZZ_EXAMPLES", "6"))
"""For each route; `make fuzz` asks a thousand."""
FAKES = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")} | {"MEMORY__EMBEDDER": "fake"}
GENEROUS = {f"API__{name}_A_MINUTE": "10000000" for name in ("CHEAP", "USUAL", "COSTLY", "LOGIN")}
ENDS_IT = ["/api/stop"]
"""What would end the daemon under the others."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("fuzz") / "state", **FAKES, **GENEROUS) as one:
        yield one


@pytest.fixture(scope="module")
def described(running: Daemon) -> Any:
    headers = {"Authorization": f"Bearer {running.key}"}
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{running.port}/openapi.json", headers=headers)


schema = schemathesis.pytest.from_fixture("described").exclude(path=ENDS_IT)


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_as_described(case: Any, running: Daemon) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {running.key}"}, timeout=30)


def test_the_daemon_is_the_same_afterwards(running: Daemon) -> None:
    status = running.status()
    assert status["pid"] == running.pid
    assert {service["name"]: service["restarts"] for service in status["services"] if service["restarts"]} == {}
