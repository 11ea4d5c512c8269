"""One daemon with real engines for the whole folder, and the table at the end."""

from __future__ import annotations

import os
import statistics
import wave
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import solo.cli
from tests.daemon import Daemon, daemon

WHOLE = "TEST_FAULT_ROUNDS" in os.environ
"""Every engine with every fault, not only those of the suite."""
ROUNDS = int(os.environ.get("TEST_FAULT_ROUNDS", "1"))


@dataclass
class Row:
    noticed_s: list[float] = field(default_factory=list)
    recovered_s: list[float] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


TABLE: dict[tuple[str, str, str], Row] = defaultdict(Row)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    # Without the cache of answers: a question asked again must need its engine.
    with daemon(tmp_path_factory.mktemp("victim"), LLM__CACHE="false") as running:
        pid = running.pid
        yield running
        assert running.process.poll() is None, "the daemon died"
        assert running.status()["pid"] == pid


@pytest.fixture(scope="session")
def question() -> bytes:
    """A recorded question: s16le mono 16 kHz."""
    with wave.open(str(Path(solo.cli.__file__).with_name("selftest.wav"))) as file:
        return file.readframes(file.getnframes())


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Iterator[Row]:
    names = request.node.callspec.params
    key = (names["engine"], names["fault"].name, request.node.originalname.removeprefix("test_"))
    yield TABLE[key]
    print("\n" + _line(key), flush=True)  # this takes long: show how far it is


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TABLE:
        return
    terminalreporter.section(f"faults, {ROUNDS} rounds each: median (worst) in seconds")
    for key in sorted(TABLE):
        terminalreporter.write_line(_line(key))


def _line(key: tuple[str, str, str]) -> str:
    engine, fault, moment = key
    row = TABLE[key]
    outcomes = ", ".join(f"{row.outcomes.count(one)} {one}" for one in sorted(set(row.outcomes)))
    return (
        f"{engine:5} {fault:8} {moment:12} n={len(row.noticed_s):<3} noticed {_figures(row.noticed_s)}"
        f"   ready again {_figures(row.recovered_s)}   {outcomes}"
    )


def _figures(values: list[float]) -> str:
    return f"{statistics.median(values):7.3f} ({max(values):7.3f})" if values else "-"
