"""The last turns are kept whole; what is kept is bounded, private, and never a turn's business."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from services.blackbox.cutting import Cut
from services.blackbox.shelf import Limits, Shelf
from services.messages.blackbox import DescribeKeptTurn, FetchKeptTurn, ForgetKeptTurns
from services.messages.invariants import InvariantViolated
from solo import replay
from solo.replay import CallLine, EventLine
from solo.supervision import State
from tests.stubs.black_box import Recorder
from tests.stubs.voice_house import ask

pytestmark = pytest.mark.virtual_time


async def test_a_spoken_turn_is_kept_with_everything_in_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running(), recorder.satellite() as satellite:
        end = await recorder.turn(satellite)
        (found,) = await recorder.kept()
    assert end.summary.outcome == "answered"
    assert (found.turn_id, found.heard, found.missing) == (end.summary.turn_id, end.summary.heard, "")
    (file,) = (tmp_path / "turns").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    bundle = replay.read(file)
    facts = [line.kind for line in bundle.lines if isinstance(line, EventLine)]
    assert [kind for kind in facts if kind in {"WakeWordHeard", "UtteranceHeard", "TurnStarted", "TurnFinished"}] == [
        "WakeWordHeard", "UtteranceHeard", "TurnStarted", "TurnFinished",
    ]  # fmt: skip
    asked = {line.kind for line in bundle.lines if isinstance(line, CallLine)}
    assert {"Attach", "Transcribe", "Complete", "Synthesize", "PlaySound"} <= asked
    assert [line.t for line in bundle.lines] == sorted(line.t for line in bundle.lines)
    assert bundle.manifest.summary["latency_ms"]["voice_to_voice"] > 0
    assert {"WakeWordHeard", "UtterancePaused", "UtteranceHeard"} <= {one["kind"] for one in bundle.manifest.decisions}
    # The wake word and the whole question are in the sound, and no byte of it twice.
    said = next(line for line in bundle.lines if isinstance(line, EventLine) and line.kind == "UtteranceHeard")
    assert said.data["pcm"]["$sound"][0] == "heard"
    assert set(bundle.sounds) == {"heard", "spoken-22050"}


async def test_a_written_turn_is_kept_too(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running():
        await recorder.typed("Where is Paris?")
        (found,) = await recorder.kept()
    assert (found.source, found.heard) == ("text", "Where is Paris?")


async def test_others_do_not_get_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running():
        await recorder.typed("Mine.", profile="anna")
        (mine,) = await recorder.kept("anna")
        assert await recorder.kept() == ()
        for question in (DescribeKeptTurn(kept=mine.turn_id), FetchKeptTurn(kept=mine.turn_id)):
            assert await recorder.bus.request(question, within=5) is None
        assert await recorder.bus.request(ForgetKeptTurns(), within=5) == 0
        assert await recorder.bus.request(FetchKeptTurn(kept=mine.turn_id, profile="anna"), within=5)


async def test_what_two_people_say_at_once_stays_apart(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with (
        recorder.running(),
        recorder.satellite(source="anna's") as anna,
        recorder.satellite(source="ben's") as ben,
    ):
        await asyncio.gather(recorder.turn(anna), recorder.turn(ben, ask(2.0)))
        files = sorted((tmp_path / "turns").iterdir())
    assert len(files) == 2
    for bundle in map(replay.read, files):
        others = {"anna's", "ben's"} - {bundle.manifest.source}
        assert [line for line in bundle.lines if line.data.get("source") in others] == []
        turns = {line.data["turn_id"] for line in bundle.lines} - {None}
        assert turns == {bundle.manifest.id}
        transcribed = [line.data["pcm"]["$sound"][0] for line in bundle.lines if line.kind == "Transcribe"]
        assert transcribed and set(transcribed) == {"heard"}  # all of it was heard by this source


async def test_the_oldest_go_first(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Limits(3, 10**8, 3600))
    async with recorder.running():
        for number in range(5):
            await recorder.typed(f"Question {number}?")
        assert [turn.heard for turn in await recorder.kept()] == ["Question 4?", "Question 3?", "Question 2?"]
    assert len(list((tmp_path / "turns").iterdir())) == 3


async def test_they_take_no_more_room_than_they_may(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running():
        await recorder.typed("How large is one?")
        (first,) = await recorder.kept()
        recorder.shelf.limits = Limits(20, int(first.size * 2.5), 3600)
        for number in range(4):
            await recorder.typed(f"How large is {number}?")
        assert len(await recorder.kept()) == 2


async def test_what_is_too_old_goes_while_nobody_speaks(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    now = 1_800_000_000.0
    recorder.shelf = Shelf(tmp_path, Limits(20, 10**8, 900), lambda: now)
    async with recorder.running():
        await recorder.typed("Old?")
        assert len(await recorder.kept()) == 1
        now += 1000
        await asyncio.sleep(700)
        assert await recorder.kept() == ()
    assert list((tmp_path / "turns").iterdir()) == []


async def test_they_outlive_the_daemon(tmp_path: Path) -> None:
    for number in range(2):
        recorder = Recorder(tmp_path)
        async with recorder.running():
            await recorder.typed(f"Question {number}?")
    (tmp_path / "turns" / ".half.part").write_bytes(b"PK")
    (tmp_path / "turns" / "0000000000000-strange.turn.zip").write_bytes(b"no zip")
    recorder = Recorder(tmp_path)
    async with recorder.running():
        assert [turn.heard for turn in await recorder.kept()] == ["Question 1?", "Question 0?"]
    assert not (tmp_path / "turns" / ".half.part").exists()


async def test_one_or_a_talk_or_all_are_forgotten(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running():
        for number, talk in enumerate(("work", "work", "home", "garden")):
            await recorder.typed(f"Question {number}?", talk=talk)
        newest = (await recorder.kept())[0]
        assert await recorder.bus.request(ForgetKeptTurns(kept=newest.turn_id), within=5) == 1
        assert await recorder.bus.request(ForgetKeptTurns(talk="work"), within=5) == 2
        assert [turn.heard for turn in await recorder.kept()] == ["Question 2?"]
        assert await recorder.bus.request(ForgetKeptTurns(), within=5) == 1
    assert list((tmp_path / "turns").iterdir()) == []


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Limits(0, 10**8, 3600))
    async with recorder.running():
        await recorder.typed("Nobody writes this down?")
        assert await recorder.kept() == ()
    assert not (tmp_path / "turns").exists()


async def test_switched_off_it_removes_what_was_kept(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running():
        await recorder.typed("Kept?")
    recorder = Recorder(tmp_path, Limits(0, 10**8, 3600))
    async with recorder.running():
        assert await recorder.kept() == ()
    assert list((tmp_path / "turns").iterdir()) == []


async def test_a_full_disk_is_told_once_and_costs_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(tmp_path)

    def full(_: Cut) -> None:
        raise OSError(28, "No space left on device")

    async with recorder.running() as running, recorder.satellite() as satellite:
        with monkeypatch.context() as patched:
            patched.setattr(recorder.shelf, "put", full)
            for _ in range(3):
                assert (await recorder.turn(satellite)).summary.outcome == "answered"
            assert running.state("blackbox").state is State.DEGRADED
            assert "No space left" in running.state("blackbox").note
        assert (recorder.counts.kept, recorder.counts.lost) == (0, 3)
        await recorder.turn(satellite)
        assert running.state("blackbox").state is State.READY
        assert len(await recorder.kept()) == 1
    assert capsys.readouterr().out.count("No space left") == 1


async def test_what_is_stuck_is_kept_without_an_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    async with recorder.running(), recorder.satellite() as satellite:
        satellite.say(ask()[: 32_000 * 2])  # the wake word and half a question, and then the device says nothing more
        await asyncio.sleep(3)
        recorder.bus.publish(
            InvariantViolated(
                invariant="wake_ends", source="kitchen", violated_turn=None, detail="it never ended", healed="ended"
            ),
            by="invariants",
        )
        await asyncio.sleep(3)
        found = [turn for turn in await recorder.kept() if turn.violations]
    assert [(turn.violations, turn.outcome, turn.source) for turn in found] == [(("wake_ends",), "failed", "kitchen")]
