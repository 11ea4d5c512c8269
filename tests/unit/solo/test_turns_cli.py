"""`solo turns` lists, draws, exports and forgets."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from solo.cli import turns
from solo.errors import ForeignError, SoloError

LATENCY = {
    "end_of_turn": 400.0, "transcript": 450.0, "recalled": None, "first_token": 500.0, "first_audio": 600.0,
    "voice_to_voice": 610.0, "finished": 2000.0,
}  # fmt: skip
TURN: dict[str, Any] = {
    "turn_id": "0a1b2c3d4e5f", "at": "2026-01-31T12:00:00+00:00", "source": "microphone", "outcome": "answered",
    "heard": "What is it?", "said": "It is.", "error": None, "engines": {"stt": "moonshine"}, "latency_ms": LATENCY,
}  # fmt: skip
KEPT = {
    "turn_id": "0a1b2c3d4e5f", "at": TURN["at"], "source": "microphone", "outcome": "answered", "heard": "What is it?",
    "voice_to_voice_ms": 610.0, "seconds": 9.0, "size": 123_456, "violations": [], "missing": "",
}  # fmt: skip
MANIFEST = {"summary": TURN, "missing": "", "decisions": [{"t": 1.5, "kind": "BargeInDecided", "verdict": "resume"}]}


class Daemon:
    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.kept = True

    def get(self, path: str) -> dict[str, Any]:
        if path == "/api/turns/kept":
            return {"turns": [KEPT, {**KEPT, "turn_id": "older", "at": "2026-01-30T12:00:00+00:00"}]}
        if path.startswith("/api/turns?"):
            return {"turns": [TURN]}
        if path.endswith("/kept") and self.kept:
            return MANIFEST
        if path.endswith("/kept"):
            raise ForeignError("api.no_turn", "none")
        return TURN

    def download(self, path: str) -> bytes:
        return b"PK"

    def delete(self, path: str) -> dict[str, Any]:
        self.deleted.append(path)
        return {"forgotten": 1}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    found = Daemon()
    monkeypatch.setattr(turns, "_client", lambda: found)
    return found


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(turns, "out", Console(file=text, width=80, highlight=False))
    return text


def test_the_list_has_what_is_kept_and_what_is_not(daemon: Daemon, shown: io.StringIO) -> None:
    turns.listed(20, as_json=False)
    head, newest, older = shown.getvalue().splitlines()
    assert head.split()[0] == "turn"
    assert newest.startswith("0a1b2c3d4e5f") and "610 ms" in newest and "123 kB" in newest
    assert older.startswith("older")
    assert all(len(line) <= 80 for line in (head, newest, older))


def test_a_turn_is_drawn_with_its_decisions(daemon: Daemon, shown: io.StringIO) -> None:
    turns.show("0a1b2c3d4e5f", colour=False, as_json=False)
    text = shown.getvalue()
    assert "first sound out" in text and "█" in text
    assert "1.500 s" in text and "verdict=resume" in text
    assert "\x1b[" not in text


def test_one_that_is_not_kept_is_drawn_all_the_same(daemon: Daemon, shown: io.StringIO) -> None:
    daemon.kept = False
    turns.show("0a1b2c3d4e5f", colour=False, as_json=False)
    assert "There is no recording of it." in shown.getvalue()


def test_colours_survive_a_pipe_on_request(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    turns.show("0a1b2c3d4e5f", colour=True, as_json=False)
    assert "\x1b[" in capsys.readouterr().out


def test_programs_get_everything(daemon: Daemon, shown: io.StringIO) -> None:
    turns.show("0a1b2c3d4e5f", colour=False, as_json=True)
    assert json.loads(shown.getvalue())["recording"] == MANIFEST


def test_an_export_is_for_its_owner_alone(daemon: Daemon, shown: io.StringIO, tmp_path: Path) -> None:
    file = tmp_path / "one.turn.zip"
    turns.export("0a1b2c3d4e5f", file, force=False, as_json=False)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"PK", 0o600)
    with pytest.raises(SoloError) as there:
        turns.export("0a1b2c3d4e5f", file, force=False, as_json=False)
    assert there.value.code == "cli.bad_target"


def test_one_or_all_are_forgotten_and_nothing_by_mistake(daemon: Daemon, shown: io.StringIO) -> None:
    turns.forget("one", everything=False, as_json=False)
    turns.forget(None, everything=True, as_json=False)
    assert daemon.deleted == ["/api/turns/one/kept", "/api/turns/kept"]
    for turn, everything in ((None, False), ("one", True)):
        with pytest.raises(SoloError) as nothing:
            turns.forget(turn, everything=everything, as_json=False)
        assert nothing.value.code == "cli.nothing_named"
