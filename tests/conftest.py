"""Fixtures for all tests: virtual time where time matters, settings that see nothing of this machine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from solo.bus import Bus
from solo.egress import loop_factory
from solo.supervision import Context
from solo.virtual_time import VirtualTimeLoop


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: runs on a loop whose clock jumps (solo/virtual_time.py)")
    config.addinivalue_line("markers", "daemon_loop: runs on the loop that the daemon runs on")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualTimeLoop}
    if item.get_closest_marker("daemon_loop") is not None:
        return {"daemon": loop_factory()}
    return {"plain": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """One line an event: pytest shows them for a test that fails. Undoes what a test has configured."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    render = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, render], cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def ctx(bus: Bus) -> Context:
    """The context of a service that nobody supervises."""
    return Context(bus, "test", on_state=lambda _state, _note: None)


@pytest.fixture
def bare_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory and a state directory below it, and no SOLO_ variable but that one."""
    for name in os.environ:
        if name.upper().startswith("SOLO_"):
            monkeypatch.delenv(name)
    work = tmp_path / "work"
    state = tmp_path / "state"
    work.mkdir()
    state.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("SOLO_STATE_DIR", str(state))
    yield tmp_path
