"""The dashboard's client: where it looks, what it sends, and that every failure comes back as a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.client import Client, Down
from dashboard.status import Status

SAMPLE = (Path(__file__).parent / "status.json").read_text("utf-8")
Answer = Callable[[httpx.Request], httpx.Response]


class Daemon:
    """Stands where the network would be: answers requests and keeps them."""

    def __init__(
        self, status: Answer, health: Answer = lambda _: httpx.Response(200, json={"status": "alive"})
    ) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = {"/status": status, "/healthz": health}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answers[request.url.path](request)


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def stall(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("too slow", request=request)


def ready(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=SAMPLE)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "owner.key").write_text("the-key\n")
    return tmp_path


def fetch(state: Path, daemon: Daemon, **environ: str) -> Status | Down:
    client = Client({"SOLO_STATE_DIR": str(state), **environ}, transport=httpx.MockTransport(daemon))
    try:
        return client.fetch()
    finally:
        client.close()


def failure(state: Path, daemon: Daemon, **environ: str) -> Down:
    found = fetch(state, daemon, **environ)
    assert isinstance(found, Down)
    return found


def test_reads_the_status(state: Path) -> None:
    found = fetch(state, Daemon(ready))
    assert isinstance(found, Status)
    assert found.state == "ready"
    assert [service.name for service in found.services][:3] == ["audio", "wake", "stt"]
    assert found.services[3].engine is not None and found.services[3].engine.rss_bytes == 389 * 1024**2
    assert found.turns[0].latency_ms.voice_to_voice == 592.0
    assert found.turns[7].error is not None and found.turns[7].error.code == "engine.died"


def test_sends_the_key_and_only_to_loopback(state: Path) -> None:
    daemon = Daemon(ready)
    fetch(state, daemon)
    assert [str(request.url) for request in daemon.requests] == ["http://127.0.0.1:8700/status"]
    assert daemon.requests[0].headers["Authorization"] == "Bearer the-key"


@pytest.mark.parametrize(
    ("asked", "noted", "port"),
    [("", None, 8700), ("", 9001, 9001), ("0", 9001, 9001), ("9002", 9001, 9002), (" 9002 ", None, 9002)],
)
def test_finds_the_port(state: Path, asked: str, noted: int | None, port: int) -> None:
    if noted is not None:
        (state / "daemon.json").write_text(json.dumps({"port": noted, "pid": 1}))
    daemon = Daemon(ready)
    fetch(state, daemon, SOLO_PORT=asked)
    assert daemon.requests[0].url.port == port


@pytest.mark.parametrize("asked", ["abc", "70000", "-1", "80.0", "9" * 9000, "٨٧٠٠"])
def test_says_that_the_asked_port_is_none(state: Path, asked: str) -> None:
    down = failure(state, Daemon(ready), SOLO_PORT=asked)
    assert down.kind == "misfit"
    assert "SOLO_PORT" in down.reason and len(down.reason) < 200


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "5", "{}", '{"port": "8700"}', '{"port": true}', '{"port": 0}', "[" * 99999]
)
def test_says_that_the_daemons_note_is_unusable(state: Path, note: str) -> None:
    (state / "daemon.json").write_text(note)
    down = failure(state, Daemon(ready))
    assert down.kind == "misfit"
    assert str(state / "daemon.json") in down.reason


def test_follows_a_restarted_daemon(state: Path) -> None:
    daemon = Daemon(ready)
    client = Client({"SOLO_STATE_DIR": str(state)}, transport=httpx.MockTransport(daemon))
    client.fetch()
    (state / "owner.key").write_text("the-next-key")
    (state / "daemon.json").write_text('{"port": 9005}')
    client.fetch()
    client.close()
    assert daemon.requests[1].url.port == 9005
    assert daemon.requests[1].headers["Authorization"] == "Bearer the-next-key"


def test_nothing_listens(state: Path) -> None:
    down = failure(state, Daemon(refuse, refuse))
    assert down.kind == "unreachable"
    assert "http://127.0.0.1:8700" in down.reason


def test_no_key_and_nothing_listens_is_a_daemon_that_is_down(tmp_path: Path) -> None:
    assert failure(tmp_path, Daemon(refuse, refuse)).kind == "unreachable"


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe", b"two\nlines", "schlüssel".encode()])
def test_no_usable_key_names_the_file_it_looked_at(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "owner.key").write_bytes(content)
    daemon = Daemon(ready)
    down = failure(tmp_path, daemon)
    assert down.kind == "no_key"
    assert str(tmp_path / "owner.key") in down.reason
    assert all("Authorization" not in request.headers for request in daemon.requests)


def test_a_directory_for_a_key_file(tmp_path: Path) -> None:
    (tmp_path / "owner.key").mkdir()
    down = failure(tmp_path, Daemon(ready))
    assert down.kind == "no_key"
    assert "cannot be read" in down.reason


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_names_its_file_and_not_itself(state: Path, code: int) -> None:
    down = failure(state, Daemon(lambda _: httpx.Response(code)))
    assert down.kind == "key_refused"
    assert str(state / "owner.key") in down.reason
    assert "the-key" not in down.reason + down.advice


def test_a_daemon_that_hangs_is_not_called_down(state: Path) -> None:
    assert failure(state, Daemon(stall)).kind == "slow"
    assert failure(state, Daemon(stall, stall)).kind == "slow"


@pytest.mark.parametrize("code", [301, 404, 500, 503])
def test_any_other_answer_is_named(state: Path, code: int) -> None:
    daemon = Daemon(lambda _: httpx.Response(code, headers={"Location": "http://elsewhere.test/"}))
    down = failure(state, daemon)
    assert down.kind == "misfit"
    assert f"HTTP {code}" in down.reason
    assert [request.url.host for request in daemon.requests] == ["127.0.0.1"]


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(SAMPLE) | fields)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("<html>", "the whole answer"),
        ("[]", "the whole answer"),
        ("{}", "version"),
        (changed(services=[{"name": 5, "state": "ready"}]), "services.0.name"),
        (changed(turns=[{"turn_id": "t", "at": "2026-11-21T12:00:00"}]), "turns.0.at"),
    ],
)
def test_an_answer_of_another_shape_says_where(state: Path, body: str, where: str) -> None:
    down = failure(state, Daemon(lambda _: httpx.Response(200, text=body)))
    assert down.kind == "misfit"
    assert f"({where}:" in down.reason


def test_takes_what_a_newer_daemon_adds(state: Path) -> None:
    body = changed(state="hibernating", gpu={"memory": 1})
    found = fetch(state, Daemon(lambda _: httpx.Response(200, text=body)))
    assert isinstance(found, Status)
    assert found.state == "hibernating"


def test_looks_in_the_users_state_directory_by_default(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    monkeypatch.setattr("platformdirs.user_state_dir", lambda name, appauthor: f"{state}/{name}/{appauthor}")
    client = Client({}, transport=httpx.MockTransport(Daemon(ready)))
    down = client.fetch()
    client.close()
    assert isinstance(down, Down)
    assert f"{state}/solo/False/owner.key" in down.reason
