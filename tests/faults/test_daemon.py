"""The daemon itself: killed, stopped, started twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.daemon import daemon, wait_for
from tests.faults.conftest import ROUNDS
from tests.faults.events import watching
from tests.faults.test_engines import LONG_QUESTION

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]


def test_kill_9_leaves_no_orphan_and_the_next_start_works(tmp_path: Path) -> None:
    for _ in range(max(1, ROUNDS // 2)):
        with daemon(tmp_path) as running:
            children = psutil.Process(running.pid).children(recursive=True)
            assert len(children) >= 5
            # One of them frozen: such a child cannot see that its parent is gone.
            os.kill(children[0].pid, signal.SIGSTOP)
            running.process.kill()
            running.process.wait(10)
            _, alive = psutil.wait_procs(children, timeout=5)
            assert not alive, f"orphans: {alive}"
    with daemon(tmp_path) as running:
        assert running.ask("What is two plus two?")["outcome"] == "answered"


def test_sigterm_lets_the_answer_in_progress_finish(tmp_path: Path) -> None:
    with daemon(tmp_path, DRAIN_S="60") as running:  # a machine with much to do speaks slowly
        turn: dict[str, Any] = {}

        def take_turn() -> None:
            turn["answer"] = asyncio.run(running.client.voice({"text": LONG_QUESTION}, None))

        with watching(running) as facts:
            asking = threading.Thread(target=take_turn)
            asking.start()
            facts.first(lambda fact: fact["kind"] == "AnswerGrew", within=30, what="an answer")
            running.process.send_signal(signal.SIGTERM)
            asking.join(60)
        assert turn["answer"].turn["outcome"] == "answered"
        assert turn["answer"].pcm
        assert running.process.wait(25) == 0


def test_sigterm_ends_a_typed_answer_well(tmp_path: Path) -> None:
    with daemon(tmp_path, DRAIN_S="60") as running:  # a machine with much to do speaks slowly
        turn: dict[str, Any] = {}
        asking = threading.Thread(target=lambda: turn.update(running.ask(LONG_QUESTION)))
        with watching(running) as facts:
            asking.start()
            facts.first(lambda fact: fact["kind"] == "AnswerGrew", within=30, what="an answer")
            running.process.send_signal(signal.SIGTERM)
            asking.join(60)
        assert turn["outcome"] == "answered"
        assert running.process.wait(25) == 0


def test_a_second_daemon_on_the_same_state_directory_names_the_first(tmp_path: Path) -> None:
    with daemon(tmp_path, STT__ENGINE="fake", LLM__ENGINE="fake", TTS__ENGINE="fake") as running:
        second = _start(tmp_path, port=0)
        assert second.returncode == 2
        assert f"pid {running.pid} on port {running.port}" in second.stderr
        assert second.stderr.strip().splitlines()[-1].endswith("[state.already_running]")
        assert running.get("/healthz").status_code == 200


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = _start(tmp_path, port=port)
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines()[-1] == (
        f"port {port} is used by another program. Choose another with --port or SOLO_PORT. [api.port_busy]"
    )


def test_a_missing_model_is_named_and_nothing_else_suffers(tmp_path: Path) -> None:
    with daemon(tmp_path, ready=False, LLM__MODEL=str(tmp_path / "none.gguf"), STT__ENGINE="fake") as running:
        wait_for(lambda: (tmp_path / "daemon.json").exists(), 20, "the door")
        wait_for(lambda: _last_error(running, "llm") is not None, 30, "the language model to fail")
        assert _last_error(running, "llm")["code"] == "engine.model_missing"
        assert "none.gguf" in _last_error(running, "llm")["message"]
        wait_for(lambda: running.service("tts")["state"] == "ready", 60, "the voice")
        assert running.get("/healthz").status_code == 200


def _last_error(running: Any, name: str) -> Any:
    return running.service(name)["last_error"]


def _start(state_dir: Path, *, port: int) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | {"SOLO_STATE_DIR": str(state_dir), "SOLO_PORT": str(port)}
    return subprocess.run(
        [sys.executable, "-m", "solo.cli", "run", "--audio", "none", "--no-self-test"],
        env=environment,
        cwd=state_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
