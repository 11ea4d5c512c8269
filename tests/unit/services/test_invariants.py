"""What is not true of a turn is seen, told once, and healed; what is true is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.blackbox.invariants import AFTERWARDS_S, OVERLAP_S, Budgets, Violation, Watch
from services.blackbox.monitor import InvariantsService, Tally
from services.messages.audio import (
    NothingHeard,
    OnlyWakeWordHeard,
    SourceClosed,
    SpeechStarted,
    StopSound,
    UtteranceHeard,
    WakeWordHeard,
)
from services.messages.conversation import AnswerGrew, TurnFinished, TurnStarted, TurnSummary
from services.messages.invariants import CancelTurn, DescribeInvariants, InvariantViolated
from services.messages.playback import DescribePlayback, Playback, ResumePlayback
from services.messages.turntaking import BargeInDecided, BargeInStarted, EndUtterance, ListenNow, Verdict
from solo.bus import Bus, Event, Overflow
from solo.supervision import ServiceSpec, ServiceStateChanged, State
from tests.stubs.services import answering, spec, supervised

BUDGETS = Budgets()
MOST = 1000.0


def woke(source: str = "kitchen") -> WakeWordHeard:
    return WakeWordHeard(source=source, word="okay_nabu", at=0)


def spoke(source: str = "kitchen") -> SpeechStarted:
    return SpeechStarted(source=source, talk="default")


def heard(source: str = "kitchen") -> UtteranceHeard:
    return UtteranceHeard(
        source=source, utterance="1", pause=1, pcm=b"", wake_word=None, speech_end=0, talk="default", decided=0
    )


def began(turn: str = "one", source: str = "kitchen") -> TurnStarted:
    return TurnStarted(source=source, turn_id=turn)


def ended(turn: str = "one", source: str = "kitchen") -> TurnFinished:
    summary = TurnSummary(turn_id=turn, at="", source=source, talk="default", heard="", said="", outcome="answered")
    return TurnFinished(source=source, summary=summary, turn_id=turn)


def plays(played_s: float, turn: str | None = "one", state: Any = "playing") -> Playback:
    return Playback(source="kitchen", state=state, turn_id=turn, played_s=played_s, queued_s=1.0)


def run(*steps: tuple[float, Event | Playback | None], watch: Watch | None = None) -> list[Violation]:
    """What is found by looking once a second while this happens, until long after it."""
    watch = watch or Watch()
    found: list[Violation] = []
    now = 0.0
    for at, step in [*steps, (steps[-1][0] + MOST, None)]:
        while now + 1 <= at:
            now += 1
            found += watch.due(now)
        now = at
        if isinstance(step, Event):
            watch.see(step, now)
        elif step is not None:
            watch.playing([step], now)
    return found


class TestEveryWakeEnds:
    @pytest.mark.parametrize(
        "steps",
        [
            [(0, woke()), (6, NothingHeard(source="kitchen", reason="no_speech"))],
            [(0, woke()), (1, spoke()), (3, heard()), (4, began()), (9, ended())],
            [(0, woke()), (1, spoke()), (2, heard()), (3, OnlyWakeWordHeard(source="kitchen", word="x")), (5, spoke()),
             (7, heard()), (8, began()), (9, ended())],
            [(0, woke()), (1, SourceClosed(source="kitchen"))],
            [(0, woke()), (1, spoke()), (2, ServiceStateChanged(name="audio", state=State.BACKOFF))],
            [(0, woke()), (25, spoke()), (90, heard()), (150, began()), (239, ended())],
            [(0, ListenNow(source="kitchen", hold=True)), (1, spoke()), (200, heard()), (201, began()), (202, ended())],
        ],
    )  # fmt: skip
    def test_it_does(self, steps: list[Any]) -> None:
        assert run(*steps) == []

    @pytest.mark.parametrize(
        ("steps", "phase"),
        [
            ([(0, woke())], "woken"),
            ([(0, ListenNow(source="kitchen"))], "woken"),
            ([(0, ListenNow(source="kitchen", hold=True))], "held"),
            ([(0, woke()), (1, spoke())], "speaking"),
            ([(0, woke()), (1, spoke()), (2, heard())], "heard"),
            ([(0, woke()), (1, spoke()), (2, heard()), (3, OnlyWakeWordHeard(source="kitchen", word="x"))], "woken"),
        ],
    )
    def test_it_does_not(self, steps: list[Any], phase: str) -> None:
        (found,) = run(*steps)
        assert (found.invariant, found.source, found.heal) == ("wake_ends", "kitchen", "end")
        assert found.detail.startswith(f"{phase} for {getattr(BUDGETS, phase) + 1:.0f} s")

    def test_two_sources_of_one_room_hear_it(self) -> None:
        assert run((0, woke()), (0.5, woke("hall")), (1, spoke()), (2, heard()), (3, began()), (4, ended())) == []

    def test_two_that_hear_it_apart_both_have_to_answer(self) -> None:
        found = run((0, woke("hall")), (10, woke()), (11, spoke()), (12, heard()), (13, began()), (14, ended()))
        assert [one.source for one in found] == ["hall"]


class TestTurnsMove:
    def test_a_long_answer_does(self) -> None:
        grows = [(10.0 * number, AnswerGrew(source="kitchen", delta="x", turn_id="one")) for number in range(1, 60)]
        assert run((0, began()), *grows, (600, ended())) == []

    def test_one_that_is_only_heard_does(self) -> None:
        played = [(5.0 * number, plays(5.0 * number)) for number in range(1, 60)]
        assert run((0, began()), *played, (300, plays(300, state="silent")), (301, ended())) == []

    def test_one_that_says_nothing_more_does_not(self) -> None:
        (found,) = run((0, began()), (5, AnswerGrew(source="kitchen", delta="x", turn_id="one")))
        assert (found.invariant, found.turn, found.heal) == ("turn_moves", "one", "cancel")

    def test_neither_does_a_written_one(self) -> None:
        found = run((0, began("one", "text")), (1, began("two", "text")), (2, ended("two", "text")))
        assert [(one.invariant, one.turn) for one in found] == [("turn_moves", "one")]

    @pytest.mark.parametrize("name", ["audio", "conversation"])
    def test_a_crash_ends_them(self, name: str) -> None:
        assert run((0, began()), (1, ServiceStateChanged(name=name, state=State.BACKOFF))) == []

    def test_sound_that_is_held_is_decided_on(self) -> None:
        decided = BargeInDecided(source="kitchen", verdict=Verdict.RESUME, why="echo", decided_ms=400)
        assert run((0, BargeInStarted(source="kitchen", paused_ms=80)), (0.5, decided)) == []
        (found,) = run((0, BargeInStarted(source="kitchen", paused_ms=80)))
        assert (found.invariant, found.heal) == ("turn_moves", "resume")


class TestOneAnswer:
    def test_the_next_turn_cancels_the_one_before(self) -> None:
        assert run((0, began("one")), (5, began("two")), (5 + OVERLAP_S - 1, ended("one")), (20, ended("two"))) == []

    def test_and_if_it_does_not(self) -> None:
        (found,) = run((0, began("one")), (5, began("two")), (20, ended("two")))
        assert (found.invariant, found.turn, found.heal) == ("one_answer", "one", "cancel")

    def test_sources_do_not_share_one(self) -> None:
        assert run((0, began("one")), (0, began("two", "hall")), (9, ended("one")), (9, ended("two", "hall"))) == []


class TestTheClockMoves:
    def test_it_does(self) -> None:
        steps = [(float(number), plays(number * 0.9)) for number in range(30)]
        assert run((0, began()), *steps, (30, plays(27, state="silent")), (31, ended())) == []

    def test_it_stands(self) -> None:
        steps = [(float(number), plays(2.5)) for number in range(1, 30)]
        found = run((0, began()), *steps, (30, plays(2.5, state="silent")), (31, ended()))
        assert [(one.invariant, one.turn, one.heal) for one in found] == [("clock_moves", "one", "silence")] * len(
            found
        )
        assert 1 <= len(found) <= 30 / BUDGETS.clock

    def test_it_may_stand_while_it_is_held(self) -> None:
        steps = [(float(number), plays(2.5, state="paused")) for number in range(1, 30)]
        assert run((0, began()), *steps, (31, ended())) == []


def test_nobody_looks_when_nothing_happens() -> None:
    watch = Watch()
    assert not watch.is_busy(0)
    watch.see(woke(), 0)
    assert watch.is_busy(500)
    watch.see(NothingHeard(source="kitchen", reason="no_speech"), 500)
    watch.see(ended(), 500)
    assert watch.is_busy(500 + AFTERWARDS_S - 1)
    assert not watch.is_busy(500 + AFTERWARDS_S)


@dataclass
class Others:
    """Who is asked to heal."""

    bus: Bus
    can_cancel: bool = True
    asked: list[Any] = field(default_factory=list)
    facts: list[Any] = field(default_factory=list)

    async def cancel(self, question: CancelTurn) -> bool:
        self.asked.append(question)
        return self.can_cancel

    async def stop(self, question: StopSound) -> Playback:
        self.asked.append(question)
        return Playback(source=question.source, state="silent")

    async def resume(self, question: ResumePlayback) -> Playback:
        self.asked.append(question)
        return Playback(source=question.source, state="playing")

    async def playing(self, _: DescribePlayback) -> tuple[Playback, ...]:
        return ()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Any]:
        answers = {
            CancelTurn: self.cancel,
            StopSound: self.stop,
            ResumePlayback: self.resume,
            DescribePlayback: self.playing,
        }
        watch = ServiceSpec(name="invariants", make=lambda: InvariantsService(Watch(), Tally()))
        specs = [spec(kind.__name__, answering(kind, answer), answers=(kind,)) for kind, answer in answers.items()]

        async def write_down() -> None:
            async with self.bus.subscribe(Event, limit=10_000, overflow=Overflow.FAIL) as facts:
                async for fact in facts:
                    self.facts.append(fact)

        writing = asyncio.create_task(write_down())
        async with supervised(self.bus, watch, *specs) as house:
            await asyncio.sleep(0.1)
            yield house
        writing.cancel()

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


@pytest.mark.virtual_time
class TestTheService:
    async def test_a_stuck_turn_is_cancelled_and_shown(self, bus: Bus) -> None:
        others = Others(bus)
        async with others.watched() as house:
            bus.publish(began())
            await asyncio.sleep(BUDGETS.turn + 5)
            (found,) = others.of(InvariantViolated)
            assert (found.invariant, found.violated_turn, found.healed) == ("turn_moves", "one", "cancelled")
            assert [question.cancelled_turn for question in others.asked] == ["one"]
            state = await bus.request(DescribeInvariants(), within=1)
            assert (state.violations, state.open, state.turns) == ({"turn_moves": 1}, 0, 1)
            known = house.state("invariants")
            assert (known.state, known.note.startswith("1 violations, last: turn_moves")) == (State.READY, True)
            await asyncio.sleep(4000)
            assert house.state("invariants").note == ""

    async def test_what_cannot_be_cancelled_is_silenced(self, bus: Bus) -> None:
        others = Others(bus, can_cancel=False)
        async with others.watched():
            bus.publish(began())
            await asyncio.sleep(BUDGETS.turn + 5)
        assert [fact.healed for fact in others.of(InvariantViolated)] == ["silenced"]
        assert [type(question) for question in others.asked] == [CancelTurn, StopSound]
        assert others.asked[1].turn_id == "one"

    async def test_an_ear_that_waits_for_ever_is_told_that_it_is_over(self, bus: Bus) -> None:
        others = Others(bus)
        async with others.watched():
            bus.publish(woke())
            await asyncio.sleep(BUDGETS.woken + 5)
        assert [fact.healed for fact in others.of(InvariantViolated)] == ["ended"]
        assert [fact.source for fact in others.of(EndUtterance)] == ["kitchen"]

    async def test_held_sound_goes_on(self, bus: Bus) -> None:
        others = Others(bus)
        async with others.watched():
            bus.publish(BargeInStarted(source="kitchen", paused_ms=80))
            await asyncio.sleep(BUDGETS.barge_in + 5)
        assert [fact.healed for fact in others.of(InvariantViolated)] == ["resumed"]

    async def test_where_nobody_heals_it_is_told_all_the_same(self, bus: Bus) -> None:
        facts: list[InvariantViolated] = []
        watch = ServiceSpec(name="invariants", make=lambda: InvariantsService(Watch(), Tally()))
        async with bus.subscribe(InvariantViolated, limit=10, overflow=Overflow.FAIL) as box:
            async with supervised(bus, watch):
                await asyncio.sleep(0.1)
                bus.publish(began())
                facts.append(await anext(box))
        assert facts[0].healed == "nothing"
