"""The last day's course: what is asked of the daemon, what is drawn of it, and that there may be none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.client import Client
from dashboard.history import HOURS, NAMES, Series, bars, error_rows, lines, memory_rows, speed_rows, voice_rows
from dashboard.units import NONE

AT = ("2026-11-21T11:00:00+00:00", "2026-11-21T12:00:00+00:00")
MIB = 1024**2


def series(name: str, values: tuple[float, ...] = (600.0, 500.0), **labels: str) -> dict[str, Any]:
    buckets = [
        {"at": at, "count": 4, "mean": value, "low": 1.0, "high": 9e9, "p50": value, "p95": value + 100}
        for at, value in zip(AT, values, strict=False)
    ]
    return {"name": name, "labels": labels, "buckets": buckets}


def parsed(*found: dict[str, Any]) -> list[Series]:
    return [Series.model_validate(one) for one in found]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "owner.key").write_text("the-key\n")
    return tmp_path


def ask(state: Path, answer: Any) -> tuple[Series, ...] | None:
    client = Client({"SOLO_STATE_DIR": str(state)}, transport=httpx.MockTransport(answer))
    try:
        return client.fetch_history()
    finally:
        client.close()


def test_asks_for_what_it_draws_with_the_key_and_only_on_loopback(state: Path) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"series": [series(request.url.params["name"])]})

    found = ask(state, answer)
    assert found is not None and [one.name for one in found] == list(NAMES)
    assert [dict(request.url.params) for request in requests] == [{"name": name, "hours": str(HOURS)} for name in NAMES]
    assert {f"{request.url.host}:{request.url.port}{request.url.path}" for request in requests} == {
        "127.0.0.1:8700/api/metrics"
    }
    assert {request.headers["Authorization"] for request in requests} == {"Bearer the-key"}


@pytest.mark.parametrize("code", [404, 503, 504, 401, 500])
def test_a_daemon_without_figures_is_no_trouble(state: Path, code: int) -> None:
    assert ask(state, lambda _: httpx.Response(code, json={"error": {"code": "api.not_found"}})) is None


@pytest.mark.parametrize("body", ["<html>", "{}", '{"series": [{"name": 5}]}', '{"series": [{"name": "a", "at": 1}'])
def test_an_answer_of_another_shape_is_none(state: Path, body: str) -> None:
    assert ask(state, lambda _: httpx.Response(200, text=body)) is None


def test_a_daemon_that_is_away_or_stuck_is_asked_once(state: Path) -> None:
    for kind in (httpx.ConnectError, httpx.ReadTimeout):
        requests: list[httpx.Request] = []

        def fail(request: httpx.Request, kind: Any = kind, requests: list[httpx.Request] = requests) -> httpx.Response:
            requests.append(request)
            raise kind("no", request=request)

        assert ask(state, fail) is None
        assert len(requests) == 1


def test_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    assert ask(tmp_path, lambda request: pytest.fail(f"asked {request.url}")) is None


def test_voice_to_voice_has_two_lines() -> None:
    rows = voice_rows(parsed(series(NAMES[0], source="voice"), series("turn.voice_to_voice_ms_of_something_else")))
    assert [(row["at"], row["line"], row["value"]) for row in rows] == [
        (AT[0], "median", 600),
        (AT[0], "95 of 100 below", 700),
        (AT[1], "median", 500),
        (AT[1], "95 of 100 below", 600),
    ]
    assert rows[0]["text"] == "600 ms of 4 turns"


def test_speed_has_a_line_for_each_model() -> None:
    rows = speed_rows(parsed(series(NAMES[1], (70.25,), llm="a"), series(NAMES[1], (9.0,), llm="b" * 99)))
    assert [(row["line"][:2], row["value"], row["text"]) for row in rows] == [
        ("a", 70.25, "70.2/s"),
        ("bb", 9, "9.0/s"),
    ]
    assert rows[1]["line"].endswith("…")


def test_memory_is_drawn_in_mebibytes() -> None:
    rows = memory_rows(parsed(series(NAMES[2], (389.0 * MIB,), service="llm")))
    assert [(row["line"], row["value"], row["text"]) for row in rows] == [("llm", 389, "389 MiB")]


def test_errors_are_counted_by_code() -> None:
    rows = error_rows(parsed(series(NAMES[3], (1.0,), code="engine.died", where="stt")))
    assert [(row["line"], row["value"], row["text"]) for row in rows] == [("engine.died", 4, "4 in stt")]


def test_no_figures_are_no_rows() -> None:
    for rows in (voice_rows, speed_rows, memory_rows, error_rows):
        assert rows([]) == rows(parsed({"name": NAMES[0], "labels": {}, "buckets": []})) == []
    assert NONE not in str(voice_rows(parsed(series(NAMES[0]))))


def test_the_drawings_hold_no_data() -> None:
    assert "data" not in lines(100, " ms") and "data" not in bars(100)
    assert lines(100, " ms") == lines(100, " ms") != lines(100, " MiB")
