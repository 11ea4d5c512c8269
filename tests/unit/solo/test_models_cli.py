"""`solo models`: what is asked of the daemon, what is shown, and what works without one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from solo.cli.models import BadSize, ModelsClient, size
from solo.cli.models_app import models
from solo.errors import SoloError
from tests.gguf_files import small_model

MODEL: dict[str, Any] = {
    "name": "tiny", "path": "/models/tiny.gguf", "origin": "models", "size_bytes": 1_500_000, "modified": 0.0,
    "architecture": "llama", "family": "SmolLM2", "title": "Tiny", "parameters": 135_000_000, "quantisation": "Q4_1",
    "context": 8192, "layers": 30, "kv_bytes_per_token": 23_040, "embedding": 576, "chat": True, "template": "own",
    "licence": "apache-2.0", "sha256": "ab" * 32, "verdict": "usable", "reason": "", "note": "", "loaded": True,
    "roles": ["dialog"],
}  # fmt: skip
BAD = {**MODEL, "name": "bad", "verdict": "refused", "reason": "its header is damaged", "loaded": False, "roles": []}


class Daemon:
    """Stands in for the door: answers by method and path, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], Any] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.error: SoloError | None = None

    def ask(self, _: ModelsClient, method: str, path: str, body: Any = None, *, within: float) -> Any:
        self.asked.append((method, path, body))
        if self.error is not None:
            raise self.error
        return self.answers[method, path]

    def stream(self, _: ModelsClient, path: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        self.asked.append(("POST", path, body))
        yield from self.events
        if self.error is not None:
            raise self.error


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, bare_settings: Path) -> Daemon:
    one = Daemon()
    monkeypatch.setattr(ModelsClient, "_ask", lambda self, *a, **k: one.ask(self, *a, **k))
    monkeypatch.setattr(ModelsClient, "events", lambda self, path, body: one.stream(self, path, body))
    return one


def run(*words: str) -> Result:
    return CliRunner().invoke(models, list(words), catch_exceptions=False, env={"COLUMNS": "200"})


class TestShowing:
    def test_a_table(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/models?refresh=true"] = {"models": [MODEL, BAD]}
        done = run("list")
        assert done.exit_code == 0
        lines = done.output.splitlines()
        assert lines[1].split() == ["tiny", "1.5", "MB", "135", "M", "Q4_1", "8192", "loaded", "dialog"]
        assert "refused" in lines[2] and lines[2].endswith("its header is damaged")

    def test_as_json(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/models?refresh=true"] = {"models": [MODEL]}
        assert json.loads(run("list", "--json").stdout) == {"models": [MODEL], "standalone": False}
        daemon.answers["GET", "/api/models/tiny"] = MODEL
        assert json.loads(run("info", "tiny", "--json").stdout) == {**MODEL, "standalone": False}

    def test_nothing(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/models?refresh=true"] = {"models": []}
        assert "solo models pull" in run("list").output

    def test_all_of_one(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/models/tiny"] = MODEL
        daemon.answers["GET", "/api/models/bad"] = BAD
        done = run("info", "tiny")
        assert done.exit_code == 0
        for said in ("135,000,000", "23040 bytes a token", "apache-2.0", "8192 tokens", "1970-01-01 00:00 UTC"):
            assert said in done.output
        assert run("info", "bad").exit_code == 1

    def test_a_name_is_quoted(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/models/..%2Fx%3Fy"] = MODEL
        assert run("info", "../x?y").exit_code == 0


class TestDoing:
    def test_verify(self, daemon: Daemon) -> None:
        daemon.answers["POST", "/api/models/tiny/verify"] = MODEL
        daemon.answers["POST", "/api/models/bad/verify"] = BAD
        assert "tiny is usable; SHA-256 abab" in run("verify", "tiny").output
        done = run("verify", "bad")
        assert done.exit_code == 1 and "bad is refused: its header is damaged" in done.output

    def test_pull_and_import(self, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        progress = {"step": "fetching", "done_bytes": 1, "total_bytes": 2}
        daemon.events = [("progress", progress), ("result", MODEL)]
        done = run("pull", "hf:a/b/c.gguf", "--sha256", "ab" * 32)
        assert (done.exit_code, done.output.count("\n")) == (0, 1)  # no bar in a pipe
        wanted = {"url": "hf:a/b/c.gguf", "sha256": "ab" * 32, "name": ""}
        assert daemon.asked[-1] == ("POST", "/api/models/pull", wanted)
        monkeypatch.chdir(tmp_path)
        assert json.loads(run("import", "x.gguf", "--name", "y", "--json").stdout) == MODEL
        assert daemon.asked[-1] == ("POST", "/api/models/import", {"path": str(tmp_path / "x.gguf"), "name": "y"})
        daemon.events = [("progress", progress), ("result", BAD)]
        assert run("pull", "hf:a/b/c.gguf").exit_code == 1

    def test_a_daemon_that_stops_in_the_middle(self, daemon: Daemon) -> None:
        daemon.events = [("progress", {"step": "fetching", "done_bytes": 1, "total_bytes": None})]
        with pytest.raises(SoloError, match="stopped in the middle"):
            run("pull", "hf:a/b/c.gguf")

    def test_roles(self, daemon: Daemon) -> None:
        daemon.answers["PUT", "/api/llm/roles/fast"] = {"role": "fast", "model": "tiny"}
        assert "fast is played by tiny now" in run("use", "tiny", "--role", "fast").output
        assert daemon.asked[-1][2] == {"model": "tiny"}
        run("use", "--reset", "--role", "fast")
        assert daemon.asked[-1][2] == {"model": ""}
        for wrong in (["use"], ["use", "tiny", "--reset"], ["use", "tiny", "--role", "king"]):
            with pytest.raises(SoloError) as caught:
                run(*wrong)
            assert caught.value.code == "cli.bad_choice" and caught.value.hint

    def test_memory(self, daemon: Daemon) -> None:
        loaded = {"name": "tiny", "state": "loading", "pinned": True, "error": ""}
        daemon.answers["POST", "/api/llm/models/load"] = loaded
        daemon.answers["POST", "/api/llm/models/unload"] = {**loaded, "state": "unloaded", "pinned": False}
        daemon.answers["GET", "/api/llm/health"] = {"models": [{**loaded, "state": "ready", "progress": 1.0}]}
        assert "tiny is ready, pinned" in run("load", "tiny", "--pin").output
        assert [asked[2] for asked in daemon.asked] == [{"name": "tiny", "pin": True}, None]
        assert "tiny is loading, pinned" in run("load", "tiny", "--pin", "--no-wait").output
        assert "tiny is unloaded" in run("unload", "tiny").output
        assert daemon.asked[-1][2] == {"name": "tiny"}
        run("load", "tiny", "--no-wait")
        assert daemon.asked[-1][2] == {"name": "tiny", "pin": None}

    def test_rm_asks_first(self, daemon: Daemon) -> None:
        daemon.answers["GET", "/api/models/tiny"] = daemon.answers["DELETE", "/api/models/tiny"] = MODEL
        with pytest.raises(SoloError) as caught:
            run("rm", "tiny")
        assert caught.value.code == "cli.not_confirmed" and [asked[0] for asked in daemon.asked] == ["GET"]
        assert "deleted /models/tiny.gguf" in run("rm", "tiny", "--yes").output

    def test_choose(self, daemon: Daemon) -> None:
        daemon.answers["POST", "/api/models/choose"] = {"models": [{**MODEL, "note": "because"}]}
        done = run("choose", "--memory", "4GB", "--for", "code", "--context", "4096")
        assert done.output.splitlines() == ["1. tiny", "   because"]
        need = {"memory_bytes": 4_000_000_000, "context": 4096, "purpose": "code", "family": ""}
        assert daemon.asked[-1][2] == need
        run("choose")
        assert daemon.asked[-1][2]["memory_bytes"] > 1_000_000
        daemon.answers["POST", "/api/models/choose"] = {"models": []}
        assert "No model here serves that in 1.0 GB" in run("choose", "--memory", "1GB").output


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GB", 4 * 10**9), ("4 gb", 4 * 10**9), ("4", 4 * 10**9), ("900M", 9 * 10**8), ("1.5GiB", 1610612736)],
)  # fmt: skip
def test_sizes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "much", "-4GB", "4XB", "1e9", "GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(BadSize):
        size(text)


class TestWithoutADaemon:
    @pytest.fixture(autouse=True)
    def _folder(self, bare_settings: Path) -> None:
        folder = bare_settings / "work/models"
        folder.mkdir()
        (folder / "tiny.gguf").write_bytes(small_model())
        (folder / "bad.gguf").write_bytes(b"no model" * 10)
        for path in folder.iterdir():
            os.utime(path, (time.time() - 60,) * 2)

    def test_headers_are_read(self) -> None:
        for words in (["list", "--json"], ["list", "--standalone", "--json"]):
            told = json.loads(run(*words).stdout)
            found = {model["name"]: model for model in told["models"]}
            assert told["standalone"] is True
            assert (found["tiny"]["verdict"], found["tiny"]["architecture"]) == ("unchecked", "llama")
            assert found["bad"]["verdict"] == "refused"

    def test_it_says_so(self) -> None:
        done = run("list")
        assert done.exit_code == 0 and "No daemon was asked" in done.output and "tiny" in done.output

    def test_one(self) -> None:
        assert json.loads(run("info", "Tiny.gguf", "--json").stdout)["parameters"] > 1000
        assert run("info", "bad").exit_code == 1
        with pytest.raises(SoloError) as caught:
            run("info", "none")
        assert caught.value.code == "models.unknown"

    def test_the_rest_needs_one(self) -> None:
        for words in (["verify", "tiny"], ["use", "tiny"], ["load", "tiny"], ["rm", "tiny", "--yes"], ["choose"]):
            with pytest.raises(SoloError) as caught:
                run(*words)
            assert caught.value.code == "cli.no_daemon"


def test_every_command_explains_itself() -> None:
    assert len(models.registered_commands) == 10
    for command in models.registered_commands:
        assert command.callback is not None and command.callback.__doc__
