"""`solo keys`, `solo users` and `solo audit`: what is asked of the daemon, and what is shown."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from solo.cli import show, users
from solo.cli.app import app
from solo.cli.client import Client
from solo.cli.keys import BadDuration, duration
from solo.cli.users import BadPassword

KEY: dict[str, Any] = {
    "id": "k1", "name": "kitchen", "prefix": "solo_abcdefgh", "role": "service", "scopes": ["chat"], "user": "",
    "profile": "owner", "created_at": "2026-01-01T00:00:00+00:00", "expires_at": None, "last_used_at": None,
    "revoked": False,
}  # fmt: skip
USER: dict[str, Any] = {
    "id": "u1", "name": "anna", "role": "user", "profile": "user-u1", "disabled": False,
    "created_at": "2026-01-01T00:00:00+00:00", "last_login_at": None,
}  # fmt: skip
ROW: dict[str, Any] = {
    "seq": 7, "at": "2026-01-01T10:00:00+00:00", "action": "login.slowed", "outcome": "denied", "actor": "anna",
    "principal": "", "address": "192.0.2.1", "method": "", "route": "", "code": "security.slow_down", "detail": "",
    "count": 40, "hash": "00",
}  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Daemon:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], Any] = {}

    def ask(self, method: str, path: str, body: Any = None, *, within: float) -> Any:
        self.asked.append((method, path, body))
        return self.answers[method, path]


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, bare_settings: Path) -> Daemon:
    one = Daemon()
    monkeypatch.setattr(show.out, "width", 80)
    monkeypatch.setattr(Client, "_ask", lambda _, *a, **k: one.ask(*a, **k))
    return one


def run(*words: str, **more: Any) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False, **more)


class TestKeys:
    def test_the_secret_alone_is_on_stdout(self, daemon: Daemon) -> None:
        daemon.answers["POST", "/api/keys"] = {"key": KEY, "secret": "solo_abcdefgh_" + "x" * 43}
        done = run("keys", "create", "kitchen", "--scope", "chat", "--scope", "embed", "--expires", "90d")
        assert done.stdout == "solo_abcdefgh_" + "x" * 43 + "\n"
        body = {
            "name": "kitchen", "role": "service", "scopes": ["chat", "embed"], "user": "", "expires_in_s": 7_776_000.0
        }  # fmt: skip
        assert daemon.asked == [("POST", "/api/keys", body)]
        done = run("keys", "create", "kitchen", "--role", "user", "--user", "anna", "--json")
        assert json.loads(done.stdout) == daemon.answers["POST", "/api/keys"]
        assert "expires_in_s" not in daemon.asked[-1][2] and daemon.asked[-1][2]["user"] == "anna"

    def test_the_table_is_aligned_and_fits(self, daemon: Daemon) -> None:
        over = {
            **KEY,
            "name": "a very long name indeed",
            "expires_at": "2026-01-02T00:00:00+00:00",
            "scopes": ["chat"] * 16,
        }
        gone = {**KEY, "revoked": True, "last_used_at": "2026-01-03T00:00:00+00:00"}
        daemon.answers["GET", "/api/keys"] = {"keys": [KEY, over, gone]}
        lines = run("keys", "list").output.splitlines()
        assert len(lines) == 4 and max(map(len, lines)) <= 80
        assert {line.index("solo_abcdefgh") for line in lines[1:]} == {lines[0].index("begins")}
        assert lines[2].split()[-1] == "expired" and lines[3].split()[-1] == "revoked"
        daemon.answers["GET", "/api/keys"] = {"keys": []}
        assert "solo keys create" in run("keys", "list").output
        assert json.loads(run("keys", "list", "--json").stdout) == {"keys": []}

    def test_revoking(self, daemon: Daemon) -> None:
        daemon.answers["DELETE", "/api/keys/my%2Fkey"] = KEY
        assert "worth nothing" in run("keys", "revoke", "my/key").output

    @pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("1.5h", 5400), ("2W", 1_209_600), ("30 s", 30)])
    def test_durations(self, text: str, seconds: float) -> None:
        assert duration(text) == seconds

    @pytest.mark.parametrize("text", ["", "d", "0d", "-1d", "90", "1 fortnight", "1d2h"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(BadDuration):
            duration(text)


class TestUsers:
    def test_a_password_comes_out_of_a_pipe(self, daemon: Daemon) -> None:
        daemon.answers["POST", "/api/users"] = USER
        done = run("users", "add", "anna", input="a long password \nsecond line\n")
        assert done.output == "anna: user, works with the data of user-u1\n"
        assert daemon.asked == [
            ("POST", "/api/users", {"name": "anna", "role": "user", "password": "a long password "})
        ]
        run("users", "add", "robot", "--role", "service", "--keys-only", "--json")
        assert daemon.asked[-1][2] == {"name": "robot", "role": "service"}

    def test_or_from_a_terminal_unseen(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        prompts: list[dict[str, Any]] = []

        def prompt(_: str, **how: Any) -> str:
            prompts.append(how)
            return "a long password"

        monkeypatch.setattr(typer, "prompt", prompt)
        monkeypatch.setattr(sys, "stdin", Terminal())
        daemon.answers["PATCH", "/api/users/anna"] = USER
        assert users.passwd("anna", as_json=True) == 0
        assert daemon.asked == [("PATCH", "/api/users/anna", {"password": "a long password"})]
        assert prompts == [{"hide_input": True, "confirmation_prompt": True, "err": True}]

    def test_none_is_refused_before_anything_is_asked(self, daemon: Daemon) -> None:
        with pytest.raises(BadPassword):
            run("users", "passwd", "anna", input="\n")
        assert daemon.asked == []

    def test_no_command_takes_one_as_an_argument(self) -> None:
        for command in ("add", "passwd"):
            assert run("users", command, "anna", "password", input="").exit_code == 2
            assert "--password" not in run("users", command, "--help").output

    def test_changing(self, daemon: Daemon) -> None:
        daemon.answers["PATCH", "/api/users/anna"] = {**USER, "disabled": True}
        for words, body in (
            (("role", "anna", "guest"), {"role": "guest"}),
            (("disable", "anna"), {"disabled": True}),
            (("enable", "anna"), {"disabled": False}),
        ):
            assert "disabled" in run("users", *words).output
            assert daemon.asked[-1] == ("PATCH", "/api/users/anna", body)

    def test_the_table(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/users"] = {
            "users": [USER, {**USER, "name": "x" * 100, "profile": "user-" + "y" * 36}]
        }
        lines = run("users", "list").output.splitlines()
        assert len(lines) == 3 and max(map(len, lines)) <= 80
        assert lines[1].index("never") == lines[2].index("never")
        daemon.answers["GET", "/api/users"] = {"users": []}
        assert "owner's key" in run("users", "list").output


class TestAudit:
    def test_the_table(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/audit?limit=50"] = {"entries": [ROW, {**ROW, "detail": "d" * 500}]}
        lines = run("audit", "list").output.splitlines()
        assert len(lines) == 3 and max(map(len, lines)) <= 80
        assert lines[1].startswith("7    2026-01-01 10:00:00  login.slowed (40x)  anna")
        daemon.answers["GET", "/api/audit?limit=5&action=login&before=9"] = {"entries": []}
        done = run("audit", "list", "--limit", "5", "--action", "login", "--before", "9", "--json")
        assert json.loads(done.stdout) == {"entries": []}

    def test_verifying(self, daemon: Daemon) -> None:
        verdict = {"whole": True, "rows": 7, "broken_at": None, "reason": ""}
        daemon.answers["GET", "/api/audit/verify"] = verdict
        assert run("audit", "verify").exit_code == 0
        verdict.update(whole=False, broken_at=4, reason="row 4 is missing")
        done = run("audit", "verify")
        assert done.exit_code == 1 and "row 4 is missing" in done.output
        done = run("audit", "verify", "--json")
        assert done.exit_code == 1 and json.loads(done.stdout) == verdict
