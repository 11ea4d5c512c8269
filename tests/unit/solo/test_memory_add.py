"""`solo memory add`: which files, under which names, and what a batch survives."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from solo.cli import memory_add
from solo.cli.app import app
from solo.cli.client import Client, NoDaemon
from solo.cli.files import found_below, natural
from solo.cli.memory_add import named
from solo.errors import SoloError


def tree(folder: Path, *files: str) -> Path:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return folder


class TestFiles:
    def test_natural_order_without_hidden_ones(self, tmp_path: Path) -> None:
        tree(tmp_path, "b 10.txt", "b 9.txt", "A.txt", ".hidden", ".git/config", "c/2.md", "c/10.md", "c/.x", "a²3.txt")
        found = [path.relative_to(tmp_path).as_posix() for path in found_below(tmp_path)]
        assert found == ["A.txt", "a²3.txt", "b 9.txt", "b 10.txt", "c/2.md", "c/10.md"]

    def test_links_are_followed_but_not_in_circles(self, tmp_path: Path) -> None:
        tree(tmp_path / "a", "one.txt")
        tree(tmp_path / "b", "two.txt")
        (tmp_path / "a" / "circle").symlink_to(tmp_path / "a")
        (tmp_path / "a" / "other").symlink_to(tmp_path / "b")
        (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")
        os.mkfifo(tmp_path / "a" / "pipe")
        assert [path.name for path in found_below(tmp_path / "a")] == ["one.txt", "two.txt"]

    def test_a_file_that_is_named_is_taken_as_it_is(self, tmp_path: Path) -> None:
        assert list(found_below(tmp_path / ".missing")) == [tmp_path / ".missing"]

    def test_natural_is_an_order(self) -> None:
        names = ["", "1", "a", "10", "2", "a1", "1a", "²"]
        assert sorted(names, key=natural) == ["", "1", "1a", "2", "10", "a", "a1", "²"]

    def test_names_are_from_the_folder_downwards_and_differ(self, tmp_path: Path) -> None:
        one, two = tree(tmp_path / "one", "a.txt", "sub/b.txt"), tree(tmp_path / "two", "a.txt")
        found = named([one, two, one / "a.txt"])
        assert [name for _, name in found] == ["a.txt", "sub/b.txt", (two / "a.txt").as_posix()]


class Daemon:
    """Stands in for the door: `script` says what it does with each request, in turn; then it stores."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.seen: list[tuple[str, bytes]] = []

    def upload(self, path: str, content: bytes, *, within: float) -> Iterator[tuple[str, dict[str, Any]]]:
        self.seen.append((path, content))
        name = path.partition("name=")[2].partition("&")[0]
        yield "progress", {"done": 0, "total": 2}
        doing = self.script.pop(0) if self.script else "stored"
        if isinstance(doing, SoloError):
            raise doing
        if doing == "breaks off":
            return
        failed = {"code": "memory.unreadable", "reason": "It is damaged."} if doing == "failed" else {}
        yield "result", {"name": name, "verdict": doing, "chunks": 2, "code": None, "reason": None, **failed}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, bare_settings: Path) -> Daemon:
    made = Daemon()
    monkeypatch.setattr(Client, "upload", lambda _, *arguments, **named: made.upload(*arguments, **named))
    monkeypatch.setattr(memory_add, "_PAUSE_S", 0.0)
    monkeypatch.setattr(memory_add, "_AT_ONCE", 1)
    return made


def run(*words: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["memory", "add", *words, "--json"])
    return done.exit_code, json.loads(done.stdout) if done.stdout else done.exception


class TestAdd:
    def test_each_file_has_its_verdict(self, daemon: Daemon, tmp_path: Path) -> None:
        tree(tmp_path / "d", "1.txt", "2.txt", "3.txt", "4.txt")
        daemon.script = ["stored", "known", "failed", "empty"]
        code, report = run(str(tmp_path / "d"), "--collection", "c d")
        assert code == 1
        assert report["collection"] == "c d"
        assert report["sums"] == {"stored": 1, "replaced": 0, "known": 1, "empty": 1, "failed": 1, "chunks": 8}
        assert [each["verdict"] for each in report["documents"]] == ["stored", "known", "failed", "empty"]
        assert report["documents"][2]["code"] == "memory.unreadable"
        assert daemon.seen[0] == ("/api/memory/documents?name=1.txt&collection=c+d", b"1.txt")

    @pytest.mark.parametrize(
        "trouble",
        [
            NoDaemon("gone"),
            "breaks off",
            SoloError.from_wire({"code": "db.unavailable", "message": "away"}),
            SoloError.from_wire({"code": "bus.handler_stopped", "message": "stopped"}),
        ],
    )
    def test_goes_on_when_the_daemon_is_back(self, daemon: Daemon, tmp_path: Path, trouble: Any) -> None:
        daemon.script = [trouble] * 3
        code, report = run(str(tree(tmp_path / "d", "1.txt")))
        assert (code, report["sums"]["stored"], len(daemon.seen)) == (0, 1, 4)

    def test_does_not_wait_for_ever(self, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory_add, "_GONE_WITHIN_S", -1.0)
        daemon.script = [NoDaemon("gone")]
        code, report = run(str(tree(tmp_path / "d", "1.txt", "2.txt")))
        assert code == 1
        assert [(each["verdict"], each["code"]) for each in report["documents"]] == [
            ("failed", "cli.no_daemon"),
            ("stored", None),
        ]

    def test_a_refusal_is_final(self, daemon: Daemon, tmp_path: Path) -> None:
        daemon.script = [SoloError.from_wire({"code": "api.unauthorized", "message": "no"})]
        code, report = run(str(tree(tmp_path / "d", "1.txt")))
        assert (code, report["documents"][0]["code"], len(daemon.seen)) == (1, "api.unauthorized", 1)

    def test_files_that_cannot_be_sent(self, daemon: Daemon, tmp_path: Path) -> None:
        large = tmp_path / "large"
        with large.open("wb") as file:
            file.truncate(33 * 1024 * 1024)
        code, report = run(str(tmp_path / "missing"), str(large))
        assert code == 1
        assert [each["code"] for each in report["documents"]] == ["cli.unreadable", "cli.file_too_large"]
        assert daemon.seen == []

    def test_nothing_there(self, daemon: Daemon, tmp_path: Path) -> None:
        (tmp_path / "d").mkdir()
        assert run(str(tmp_path / "d"))[0] == 0
        done = CliRunner().invoke(app, ["memory", "add", str(tmp_path / "d")])
        assert (done.exit_code, done.stdout.strip()) == (0, "There is nothing to add there.")

    def test_for_people_quiet_in_a_pipe(self, daemon: Daemon, tmp_path: Path) -> None:
        daemon.script = ["failed"]
        done = CliRunner().invoke(app, ["memory", "add", str(tree(tmp_path / "d", "1.txt", "2.txt"))])
        assert done.exit_code == 1
        assert "2 files in" in done.stdout and "passages  4" in done.stdout


def test_forgetting_names_one_thing(bare_settings: Path) -> None:
    for words in ([], ["--fact", "1", "--document", "d"], ["--all-facts", "--collection", "c"]):
        done = CliRunner().invoke(app, ["memory", "forget", *words])
        assert isinstance(done.exception, SoloError)
        assert done.exception.code == "cli.nothing_named"
    done = CliRunner().invoke(app, ["memory", "forget", "--collection", "c"])
    assert isinstance(done.exception, SoloError)
    assert done.exception.code == "cli.not_confirmed"
