"""A recorded turn goes the same way when it is played again, and says so when it does not."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from solo import replay
from solo.cli.app import APP
from solo.cli.replay import run_again
from solo.isolation.engine import EngineDied
from solo.replay import BadBundle
from solo.replay.bundle import FORMAT
from tests.stubs.black_box import Recorder, recording
from tests.stubs.voice_house import SPEECH, Engines, ask, sound


async def spoken(recorder: Recorder) -> None:
    async with recorder.satellite() as satellite:
        await recorder.turn(satellite)


async def twice(recorder: Recorder) -> None:
    async with recorder.satellite() as satellite:
        await recorder.turn(satellite)
        await recorder.turn(satellite, ask(2.0, gap_s=0.9))


async def hesitating(recorder: Recorder) -> None:
    """A pause in the middle: the turn that had begun in it is thrown away."""
    recorder.engines.token_s = 0.3
    async with recorder.satellite() as satellite:
        await recorder.turn(satellite, ask(1.0)[: -int(0.9 * 32_000)] + sound(1.0, SPEECH) + sound(1.2, 0))


async def silent(recorder: Recorder) -> None:
    """The wake word alone, and then nothing."""
    async with recorder.satellite() as satellite:
        await recorder.turn(satellite, ask(0.0))


async def interrupted(recorder: Recorder) -> None:
    """The wake word over the answer."""
    async with recorder.satellite() as satellite:
        satellite.say(ask())
        await asyncio.sleep(5.5)
        await recorder.turn(satellite)


async def talked_over(recorder: Recorder) -> None:
    """A question over the answer: it is held, and ends."""
    async with recorder.satellite(barge_in=True) as satellite:
        satellite.say(ask())
        await asyncio.sleep(5.0)
        recorder.engines.transcript = "No, wait, what about Spain?"
        await recorder.turn(satellite, sound(1.5, SPEECH) + sound(2.0, 0))


async def mumbled_over(recorder: Recorder) -> None:
    """Agreement over the answer: it is held, and goes on."""
    async with recorder.satellite(barge_in=True) as satellite:
        satellite.say(ask())
        await asyncio.sleep(5.0)
        recorder.engines.transcript = "mhm"
        await recorder.turn(satellite, sound(0.25, SPEECH) + sound(2.0, 0))


async def unplugged(recorder: Recorder) -> None:
    """The device goes in the middle of the answer."""
    async with recorder.satellite() as satellite:
        satellite.say(ask())
        await asyncio.sleep(4.5)
    await asyncio.sleep(6)


async def without_wake_word(recorder: Recorder) -> None:
    async with recorder.satellite(wake=False) as satellite:
        await recorder.turn(satellite, ask(wake=False))


async def written(recorder: Recorder) -> None:
    await recorder.typed("Where is Paris?")


PLAYS = {
    spoken: "outcome='answered'",
    twice: "outcome='answered'",
    hesitating: "outcome='continued'",
    silent: "reason='no_speech'",
    interrupted: "outcome='answered'",
    talked_over: "verdict='interrupt'",
    mumbled_over: "verdict='resume', why='backchannel'",
    unplugged: "SourceClosed",
    without_wake_word: "outcome='answered'",
    written: "outcome='answered'",
}
"""Each with what it is about."""


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
def test_it_goes_the_same_way(play: Callable[[Recorder], Any], tmp_path: Path) -> None:
    files = recording(tmp_path, play)
    replayed: list[str] = []
    for file in files:
        found = run_again(APP, replay.read(file))
        assert found.differences == []
        assert any("TurnFinished" in line for line in found.replayed)
        replayed += found.replayed
    assert any(PLAYS[play] in line for line in replayed)


def test_an_engine_that_died_dies_again(tmp_path: Path) -> None:
    deaths = 0

    async def dies(engine: str) -> None:
        nonlocal deaths
        if engine == "llm":
            deaths += 1
            if deaths in {4, 9}:
                raise EngineDied("the model was killed")

    (file,) = recording(tmp_path, spoken, Engines(stumbles=dies))
    bundle = replay.read(file)
    assert bundle.manifest.summary["outcome"] == "failed"
    found = run_again(APP, bundle)
    assert found.differences == []
    assert "engine.died" in found.replayed[-1]


def rewritten(file: Path, change: Callable[[dict[str, Any]], None], name: str = "lines.jsonl") -> Path:
    """A copy with every line (or the manifest) changed."""
    target = file.with_name(f"changed-{file.name}")
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(target, "w") as after:
        for part in before.namelist():
            content = before.read(part)
            if part == name:
                lines = content.splitlines() if name.endswith("l") else [content]
                changed = [json.loads(line) for line in lines]
                for line in changed:
                    change(line)
                content = b"\n".join(json.dumps(line).encode() for line in changed)
            after.writestr(part, content)
    return target


def test_another_answer_is_a_difference(tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)

    def another(line: dict[str, Any]) -> None:
        if line.get("ask") == "Transcribe":
            for _, answer in line["answers"]:
                answer["text"] = "What is the capital of Spain?"

    differences = run_again(APP, replay.read(rewritten(file, another))).differences
    assert "+conversation: QuestionHeard turn_id=turn 1, source='kitchen', text='What is the capital of Spain?'" in (
        differences
    )
    assert "-conversation: QuestionHeard turn_id=turn 1, source='kitchen', text='What is the capital of France?'" in (
        differences
    )


def test_a_turn_that_never_ends_is_a_difference(tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)

    def silent_forever(line: dict[str, Any]) -> None:
        if line.get("ask") == "Complete":
            line["answers"], line["error"] = [], "cancelled"

    differences = run_again(APP, replay.read(rewritten(file, silent_forever))).differences
    assert any(line.startswith("-conversation: TurnFinished") for line in differences)


def test_fields_and_kinds_of_another_version_do_not_matter(tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)

    def newer(line: dict[str, Any]) -> None:
        if line.get("event") == "SoundEnded" or line.get("event") == "SoundCaptured":
            line["data"]["loudness"] = 3
        if line.get("event") == "WakeWordHeard":
            line["data"]["certainty"] = 0.5

    assert run_again(APP, replay.read(rewritten(file, newer))).differences == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("turn.json", b"{}"),
        ("turn.json", b"no json"),
        ("lines.jsonl", b"[]\n"),
        ("lines.jsonl", b'{"t": 1}\n'),
        ("sound/heard.wav", b"RIFF"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(name: str, content: bytes, tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(broken, "w") as after:
        for part in before.namelist():
            after.writestr(part, content if part == name else before.read(part))
    with pytest.raises(BadBundle):
        replay.read(broken)


def test_so_is_another_format(tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)

    def later(manifest: dict[str, Any]) -> None:
        manifest["format"] = FORMAT + 1

    with pytest.raises(BadBundle, match=f"format {FORMAT + 1}"):
        replay.read(rewritten(file, later, "turn.json"))


@pytest.mark.parametrize("content", [None, b"", b"PK no zip"])
def test_so_is_what_is_no_file(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "file.zip"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadBundle):
        replay.read(file)


def test_a_reference_beyond_its_sound_is_refused(tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)

    def beyond(line: dict[str, Any]) -> None:
        if line.get("event") == "SoundCaptured":
            line["data"]["pcm"] = {"$sound": ["heard", 10**9, 640]}

    with pytest.raises(BadBundle):
        run_again(APP, replay.read(rewritten(file, beyond)))


def test_no_module_is_loaded_for_a_name_in_it(tmp_path: Path) -> None:
    (file,) = recording(tmp_path, spoken)

    def strange(line: dict[str, Any]) -> None:
        if line.get("event") == "WakeWordHeard":
            line["event"] = "os.system"

    differences = run_again(APP, replay.read(rewritten(file, strange))).differences
    assert differences  # the wake word was not told, and nothing else happened
