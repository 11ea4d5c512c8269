"""The commands as a user runs them, against a real daemon with real engines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import solo.cli
from tests.daemon import Daemon, daemon

pytestmark = pytest.mark.engine
QUESTION = Path(solo.cli.__file__).with_name("selftest.wav")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("commands")) as one:
        yield one


def command(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = kept | {f"SOLO_{name}": value for name, value in settings.items()}
    line = [sys.executable, "-m", "solo.cli", *words]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=170, check=False, cwd="/")


def at(one: Daemon) -> dict[str, str]:
    return {"STATE_DIR": str(one.state_dir), "PORT": str(one.port)}


def speech() -> tuple[Any, int]:
    return soundfile.read(QUESTION, dtype="float32")


def knows_france(answer: str) -> bool:
    """The packaged model names its capital or, rounded otherwise by another processor, the country."""
    return any(word in answer.lower() for word in ("paris", "france"))


class TestAsk:
    def test_a_spoken_question_is_answered_aloud(self, running: Daemon, tmp_path: Path) -> None:
        out = tmp_path / "answer.wav"
        done = command("ask", "--wav", str(QUESTION), "--out", str(out), "--json", **at(running))
        assert done.returncode == 0, done.stderr
        turn = json.loads(done.stdout)
        assert set(turn) == {
            "turn_id", "heard", "said", "outcome", "error", "audio", "latency_ms", "engines", "receipt", "memory",
            "citations", "stored",
        }  # fmt: skip
        assert "capital of france" in turn["heard"].lower()
        assert knows_france(turn["said"])
        assert turn["outcome"] == "answered"
        with wave.open(str(out)) as file:
            assert file.getframerate() == turn["audio"]["sample_rate"]
            assert file.getnframes() / file.getframerate() == pytest.approx(turn["audio"]["seconds"], abs=0.01)
        marks = turn["latency_ms"]
        points = ["end_of_turn", "transcript", "recalled", "first_token", "first_audio", "voice_to_voice"]
        assert list(marks) == points
        # The model may have begun before the turn was decided; nothing is heard before that.
        assert 0 < marks["end_of_turn"] <= marks["voice_to_voice"]
        assert 0 < marks["transcript"] <= marks["first_token"] <= marks["first_audio"] <= marks["voice_to_voice"]
        assert all(turn["engines"].values())
        assert turn["receipt"]["question"] > 0

    def test_a_typed_question(self, running: Daemon) -> None:
        done = command("ask", "What is the capital of France?", **at(running))
        assert (done.returncode, done.stderr) == (0, "")
        assert knows_france(done.stdout)

    def test_the_talk_is_remembered(self, running: Daemon) -> None:
        command("ask", "My name is Ada.", "--talk", "names", **at(running))
        done = command("ask", "What is my name?", "--talk", "names", "--json", **at(running))
        assert json.loads(done.stdout)["receipt"]["history"] > 0

    def test_a_daemon_for_just_this_call(self) -> None:
        done = command("ask", "--standalone", "--wav", str(QUESTION), "--json")
        assert json.loads(done.stdout)["outcome"] == "answered", done.stderr


def _as(**options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        sound, rate = speech()
        channels = options.get("channels", 1)
        if (wanted := options.get("rate")) is not None:
            import soxr

            sound, rate = soxr.resample(sound, rate, wanted), wanted
        many = np.stack([sound] * channels, axis=1) if channels > 1 else sound
        soundfile.write(path, many, rate, subtype=options.get("subtype", "PCM_16"), format="WAV")

    return write


def _truncated(path: Path) -> None:
    path.write_bytes(QUESTION.read_bytes()[:-2001])


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(_as(subtype="PCM_U8"), id="8-bit"),
        pytest.param(_as(subtype="FLOAT"), id="float"),
        pytest.param(_as(channels=2, rate=48_000), id="stereo 48 kHz"),
        pytest.param(_as(rate=44_100), id="44.1 kHz"),
        pytest.param(_truncated, id="truncated"),
    ],
)
def test_every_usable_form_of_sound_is_understood(running: Daemon, tmp_path: Path, write: Any) -> None:
    path = tmp_path / "question.wav"
    write(path)
    done = command("ask", "--wav", str(path), "--json", **at(running))
    turn = json.loads(done.stdout)
    assert turn["outcome"] == "answered", done.stderr
    assert "france" in turn["heard"].lower()


def _silent(path: Path, samples: int) -> None:
    soundfile.write(path, np.zeros(samples, np.float32), 16_000, format="WAV")


@pytest.mark.parametrize("samples", [1, 32_000], ids=["1 sample", "silence"])
def test_nothing_heard_is_said_so(running: Daemon, tmp_path: Path, samples: int) -> None:
    path = tmp_path / "nothing.wav"
    _silent(path, samples)
    done = command("ask", "--wav", str(path), "--json", **at(running))
    assert done.returncode == 4
    assert json.loads(done.stdout)["outcome"] == "no_speech"
    assert done.stderr.strip().endswith("[ask.no_speech]")
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_wake_word_is_said_so(running: Daemon) -> None:
    done = command("ask", "--wav", str(QUESTION), "--wake", "--json", **at(running))
    assert done.returncode == 4
    assert json.loads(done.stdout)["outcome"] == "no_wake"


def _channels(path: Path) -> None:
    _as()(path)
    header = bytearray(path.read_bytes())
    header[22:24] = b"\xff\xff"
    path.write_bytes(header)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_text("not sound at all"), id="text"),
        pytest.param(lambda path: path.write_bytes(QUESTION.read_bytes()[:44]), id="header only"),
        pytest.param(_channels, id="65 535 channels"),
        pytest.param(lambda path: None, id="missing"),
    ],
)
def test_unusable_files_get_one_clear_line(running: Daemon, tmp_path: Path, write: Any) -> None:
    path = tmp_path / "question.wav"
    write(path)
    before = running.status()["pid"]
    done = command("ask", "--wav", str(path), **at(running))
    assert done.returncode == 2
    assert done.stderr.strip().endswith("[sound.bad_file]")
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(path) in done.stderr
    assert running.status()["pid"] == before


class TestOtherCommands:
    def test_status(self, running: Daemon) -> None:
        assert json.loads(command("status", "--json", **at(running)).stdout)["state"] == "ready"
        assert "moonshine" in command("status", **at(running)).stdout

    def test_doctor(self, running: Daemon) -> None:
        done = command("doctor", "--json", **at(running))
        findings = json.loads(done.stdout)["findings"]
        assert {finding["verdict"] for finding in findings} <= {"ok", "warning"}, findings
        assert done.returncode == 0

    def test_no_daemon(self, tmp_path: Path) -> None:
        done = command("status", "--json", STATE_DIR=str(tmp_path), PORT="1")
        assert done.returncode == 3
        assert json.loads(done.stdout)["error"]["code"] == "cli.no_daemon"

    def test_an_unknown_setting(self, tmp_path: Path) -> None:
        done = command("run", STATE_DIR=str(tmp_path), STT__MODLE="x")
        assert done.returncode == 2
        assert done.stderr.strip().splitlines() == [
            "there is no setting SOLO_STT__MODLE. Did you mean SOLO_STT__MODEL? [settings.unknown]"
        ]

    def test_a_state_directory_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        done = command("run", "--audio", "none", STATE_DIR=str(tmp_path / "file" / "below"))
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1].endswith("[state.unusable]")

    def test_stop(self, tmp_path: Path) -> None:
        with daemon(tmp_path, STT__ENGINE="fake", LLM__ENGINE="fake", TTS__ENGINE="fake") as one:
            done = command("stop", "--json", **at(one))
            assert json.loads(done.stdout) == {"stopped": one.pid}
            assert one.process.wait(10) == 0
