"""Turn after turn, with everything that may happen to them: none is stuck, every wake ends, nothing grows.

In virtual time: real ears, mouths, conversation, skills, recorder and monitor; played engines that die, crash and
dawdle; devices that are unplugged and come back. `make soak` plays 10 000 turns, the suite 300.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from services.audio.mouth import Clock
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.soak import Report, soak

TURNS = int(os.environ.get("TEST_SOAK_TURNS", "300"))
SEED = int(os.environ.get("TEST_SOAK_SEED", "1"))
LONG = 2000
"""Turns from which memory is looked at: in fewer, the warm-up is all there is."""
MOST_BYTES_A_TURN = 2048


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        found = runner.run(soak(TURNS, SEED, tmp_path_factory.mktemp("soak"), lambda line: print(line, flush=True)))
    print(f"seed {SEED}: {found}")
    return found


@pytest.mark.slow
@pytest.mark.timeout(36_000)
class TestSoak:
    def test_turns_were_played(self, report: Report) -> None:
        assert report.turns >= TURNS
        assert report.outcomes["answered"] > TURNS / 4
        assert report.wakes > TURNS / 8
        assert {"_is_unplugged", "_talks_over_it", "_wakes_over_it", "skill answered"} <= set(report.happened)
        assert sum(times for what, times in report.happened.items() if what.endswith(" died")) > TURNS / 50

    def test_none_is_stuck(self, report: Report) -> None:
        assert report.stuck == []

    def test_the_monitor_is_silent(self, report: Report) -> None:
        assert report.violations == []

    def test_tasks_and_mailboxes_do_not_grow(self, report: Report) -> None:
        assert report.tasks[-1][1] <= report.tasks[0][1] + 3
        assert report.mailboxes[-1][1] == report.mailboxes[0][1]
        assert report.waiting[-1][1] <= 3

    def test_only_engines_start_anew(self, report: Report) -> None:
        engines = {"vad", "stt", "prefill", "llm", "tts"}
        assert {name for name, times in report.restarts.items() if times} <= engines

    @pytest.mark.skipif(TURNS < LONG, reason=f"memory is looked at over {LONG} turns and more: make soak")
    def test_memory_does_not_grow(self, report: Report) -> None:
        """From the second quarter on."""
        settled = report.rss[len(report.rss) // 4 :]
        assert report.grew(settled) < MOST_BYTES_A_TURN, settled


def test_a_stuck_turn_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation can fail: this is the first fault that it found, a clock of playback that never comes out even."""

    def rounding(clock: Clock) -> None:
        now = time.monotonic()
        if not clock.paused:
            clock._played = min(clock._given, clock._played + now - clock._since)
        clock._since = now

    monkeypatch.setattr(Clock, "_advance", rounding)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        found = runner.run(soak(40, 1, tmp_path))
    assert any(violation.startswith("turn_moves") for violation in found.violations)
