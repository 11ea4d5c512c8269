"""Memory as a person uses it: told once, known in the next conversation and after a restart; documents cited."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reportlab.pdfgen.canvas import Canvas

from tests.daemon import Daemon, daemon, wait_for

FAKES = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "TTS")}
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def running(state: Path) -> Iterator[Daemon]:
    with daemon(state, **FAKES) as one:
        yield one


def solo(state: Path, *arguments: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    done = subprocess.run(
        [sys.executable, "-m", "solo.cli", *arguments],
        env={**kept, "SOLO_STATE_DIR": str(state)},
        cwd=state,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done


def as_json(state: Path, *arguments: str, fails: bool = False) -> Any:
    return json.loads(solo(state, *arguments, "--json", fails=fails).stdout)


def pdf(path: Path, *pages: str) -> Path:
    canvas = Canvas(str(path))
    for page in pages:
        canvas.drawString(72, 720, page)
        canvas.showPage()
    canvas.save()
    return path


def ask(running: Daemon, text: str, talk: str) -> dict[str, Any]:
    answer = running.client.post("/api/ask", {"text": text, "talk": talk}, within=60)
    assert answer["outcome"] == "answered"
    return answer


def test_the_second_session_answers_from_what_was_said_in_the_first(running: Daemon, state: Path) -> None:
    assert ask(running, "My name is Anna and my dog is called Biscuit.", "first")["stored"]

    def learnt() -> list[str]:
        texts = [fact["text"] for fact in as_json(state, "memory", "facts")["facts"]]
        return texts if len(texts) >= 2 else []

    assert set(wait_for(learnt, 20, "two facts")) == {"The user's name is Anna.", "The user has a dog called Biscuit."}
    turn = ask(running, "What is my dog called?", "second")
    assert "biscuit" in turn["said"].lower()
    assert (turn["memory"]["state"], turn["memory"]["facts"]) == ("used", 1)
    assert turn["receipt"]["memory"] > 0
    assert ask(running, "What is the capital of France?", "third")["memory"]["state"] == "nothing"


def test_a_document_answers_with_page_and_offset(running: Daemon, state: Path, tmp_path: Path) -> None:
    manual = pdf(
        tmp_path / "boiler.pdf",
        "The boiler is in the cellar behind the red door.",
        "The filter of the boiler must be cleaned every six months.",
    )
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 cut off")
    added = as_json(state, "memory", "add", str(tmp_path), "--collection", "house", fails=True)
    verdicts = {Path(document["path"]).name: document["verdict"] for document in added["documents"]}
    assert verdicts == {"boiler.pdf": "stored", "broken.pdf": "failed"}
    again = as_json(state, "memory", "add", str(manual), "--collection", "house")
    assert [document["verdict"] for document in again["documents"]] == ["known"]
    hits = as_json(state, "memory", "search", "how often is the filter cleaned", "--collection", "house", "--top", "1")
    (hit,) = hits["hits"]
    assert set(hit) == {"text", "score", "collection", "source"}
    assert hit["collection"] == "house"
    assert (hit["source"]["document"], hit["source"]["page"]) == ("boiler.pdf", 2)
    turn = ask(running, "How often must the filter of the boiler be cleaned?", "document")
    assert "six months" in turn["said"]
    assert (turn["citations"][0]["source"]["document"], turn["citations"][0]["source"]["page"]) == ("boiler.pdf", 2)
    shown = solo(state, "ask", "How often must the filter of the boiler be cleaned?")
    assert "[1] boiler.pdf, page 2, character 0 (house)" in shown.stdout


def test_it_is_edited_and_forgotten(running: Daemon, state: Path) -> None:
    told = as_json(state, "memory", "remember", "The bins go out on Tuesday.")
    edited = as_json(state, "memory", "edit", told["id"], "The bins go out on Friday.")
    assert edited["text"] == "The bins go out on Friday."
    solo(state, "memory", "forget", "--fact", told["id"])
    assert told["id"] not in [fact["id"] for fact in as_json(state, "memory", "facts")["facts"]]


def test_all_of_it_survives_a_restart_and_the_talk_goes_on(tmp_path: Path) -> None:
    with daemon(tmp_path, LLM__ENGINE="fake", **FAKES) as before:
        before.client.post("/api/memory/facts", {"text": "The spare key is under the stone."})
        assert before.ask("Hello?")["stored"]
        os.kill(before.pid, signal.SIGKILL)
        before.process.wait(10)
    with daemon(tmp_path, LLM__ENGINE="fake", **FAKES) as after:
        facts = after.get("/api/memory/facts").json()["facts"]
        assert [fact["text"] for fact in facts] == ["The spare key is under the stone."]
        turn = after.ask("And where is the spare key?")
        assert turn["receipt"]["history"] > 0
        assert turn["memory"]["facts"] == 1


def test_adding_goes_on_when_the_daemon_is_killed_in_the_middle(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.txt").write_text(f"Note {number}: the {number}th shelf holds box {number * 7}.")
    state = tmp_path / "state"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    command = [sys.executable, "-m", "solo.cli", "memory", "add", str(folder), "--json"]
    with daemon(state, LLM__ENGINE="fake", **FAKES) as before:
        adding = subprocess.Popen(
            command, env={**kept, "SOLO_STATE_DIR": str(state)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        wait_for(lambda: before.get("/api/memory").json()["documents"] >= 20, 60, "some documents")
        os.kill(before.pid, signal.SIGKILL)
        before.process.wait(10)
    with daemon(state, LLM__ENGINE="fake", **FAKES) as after:
        said, complaints = adding.communicate(timeout=120)
        assert adding.returncode == 0, complaints
        verdicts = [document["verdict"] for document in json.loads(said)["documents"]]
        assert len(verdicts) == 120
        assert set(verdicts) <= {"stored", "known"}
        assert after.get("/api/memory").json()["documents"] == 120
