"""Logs: one JSON object a line, whoever wrote it, and no secrets."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from solo import logs


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    log = structlog.get_logger(service="test")
    log.info("started", port=1, text="two\nlines", name="Bücher ✓")
    log.warning("odd", error="x")
    first, second = lines(capsys)
    assert {**first, "timestamp": ""} == {
        "event": "started",
        "level": "info",
        "service": "test",
        "port": 1,
        "text": "two\nlines",
        "name": "Bücher ✓",
        "timestamp": "",
    }
    assert first["timestamp"].endswith("Z")
    assert second["level"] == "warning"


def test_of_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("some.library").warning("careful: %s", "hot")
    logging.getLogger("some.library").debug("not this")
    logging.getLogger("httpx").info("nor this")
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("careful: hot", "warning")


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_from_the_level_on(capsys: pytest.CaptureFixture[str], level: str, seen: int) -> None:
    logs.configure(level, "json")
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("said")
    assert len(lines(capsys)) == seen


@pytest.mark.parametrize(
    "name", ["key", "api_key", "access_key", "TOKEN", "password", "client_secret", "Authorization"]
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_dropped(capsys: pytest.CaptureFixture[str], name: str, form: Any) -> None:
    logs.configure("info", form)
    structlog.get_logger().info("asked", **{name: "hunter2", "port": 1})
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "***" in said


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str], form: Any) -> None:
    logs.configure("info", form)

    def fail() -> None:
        held = "hunter" + "2"
        raise ValueError(f"a bug after {len(held)}")

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("crashed")
    said = capsys.readouterr().err
    assert "a bug after 7" in said
    assert "in fail" in said
    assert "hunter2" not in said


def test_a_traceback_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise ExceptionGroup("two", [ValueError("one"), ValueError("other")])
    except ExceptionGroup:
        structlog.get_logger().exception("crashed")
        logging.getLogger("library").exception("crashed too")
    first, second = lines(capsys)
    assert "ValueError: other" in first["exception"]
    assert "ValueError: other" in second["exception"]


def test_a_pipe_gets_json_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "auto")
    structlog.get_logger().info("started")
    assert lines(capsys)[0]["event"] == "started"


def test_what_is_no_json_is_still_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("odd", thing=object(), raw=b"\xff", path=logging)
    assert lines(capsys)[0]["event"] == "odd"
