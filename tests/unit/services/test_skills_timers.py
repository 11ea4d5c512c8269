"""Timers and alarms in virtual time: told when they are due, once, whatever the clocks and the database do."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace

import pytest

from services.messages.timers import TimerCancelled, TimerFinished, TimerSet
from services.messages.turntaking import BargeInDecided, Verdict
from services.skills.timers.keeper import MOST_OF_ONE, Keeper
from services.skills.timers.timer import Entry
from solo.bus import Bus, Event, Overflow
from tests.stubs.skills_house import Listener, MemoryStore, TestClock, skills_house

pytestmark = pytest.mark.virtual_time


class TestSaid:
    async def test_a_timer_is_set_and_told_three_times(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            began = time.monotonic()
            assert (await house.say("Set a timer for ten minutes.")).say == "Ten minutes, starting now."
            assert len(house.store.rows) == 1
            texts = await house.listener.hears(3)
            assert texts == ["Your ten-minute timer is done."] * 3
            at = [moment - began for moment, _ in house.listener.said]
            assert at == pytest.approx([600, 604, 608], abs=0.01)
            await asyncio.sleep(60)
            assert len(house.listener.said) == 3
            assert house.store.rows == {}
            assert house.listener.said[0][1].source == "kitchen"

    async def test_stop_silences_it(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            await house.say("pizza timer for twelve minutes")
            assert await house.listener.hears(1) == ["Your pizza timer is done."]
            assert await house.timers()
            reply = await house.say("Stop.")
            assert (reply.say, reply.control) == ("", "stop")
            await asyncio.sleep(60)
            assert len(house.listener.said) == 1
            assert house.store.rows == {}
            assert await house.timers() == ()

    async def test_so_does_stop_over_the_announcement(self, bus: Bus) -> None:
        async with skills_house(bus, listener=Listener(takes_s=2.0)) as house:
            await house.say("pizza timer for twelve minutes")
            await house.listener.hears(1)
            bus.publish(BargeInDecided(source="kitchen", verdict=Verdict.INTERRUPT, why="stop", decided_ms=300))
            await asyncio.sleep(60)
            assert len(house.listener.said) == 1

    async def test_several_named_ones(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            await house.say("Set a pizza timer for 1 hour and 20 minutes.")
            assert (await house.say("Set an egg timer for six minutes")).say == "Egg timer, six minutes, starting now."
            await asyncio.sleep(60)
            assert (await house.say("How long is left on the pizza timer?")).say == (
                "One hour and nineteen minutes left on the pizza timer."
            )
            assert (await house.say("List my timers.")).say == (
                "Two: egg timer with five minutes left and pizza timer with one hour and nineteen minutes left."
            )
            asked = await house.say("Cancel the timer.")
            assert (asked.say, asked.listen) == ("Which one: egg timer and pizza timer?", True)
            assert (await house.say("The egg one.")).say == "Egg timer cancelled."
            assert (await house.say("Add five minutes to the pizza timer")).say == (
                "One hour and twenty-four minutes left on the pizza timer now."
            )
            assert (await house.say("Pause the timer")).say == (
                "Pizza timer paused with one hour and twenty-four minutes left."
            )
            await asyncio.sleep(10_000)
            assert house.listener.said == []
            await house.say("Resume the pizza timer")
            assert (await house.say("Take 20 minutes off the timer")).say == (
                "One hour and four minutes left on the pizza timer now."
            )
            began = time.monotonic()
            await house.listener.hears(1)
            assert house.listener.said[0][0] - began == pytest.approx(64 * 60, abs=0.01)

    async def test_it_asks_for_how_long(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            asked = await house.say("Set a pasta timer.")
            assert (asked.say, asked.listen) == ("For how long?", True)
            assert (await house.say("Nine minutes.")).say == "Pasta timer, nine minutes, starting now."
            await house.say("Set an alarm.")
            assert (await house.say("Seven thirty.")).say == "Alarm set for half past seven in the evening."

    async def test_nobody_takes_anybody_elses(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            await house.say("Set a timer for ten minutes.", profile="anna")
            assert (await house.say("List my timers", profile="ben")).say == "No timer is set."
            assert (await house.say("Cancel all timers", profile="ben")).say == "No timer is set."
            assert len(await house.timers("anna")) == 1
            assert await house.timers("ben") == ()

    async def test_a_reminder(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            reply = await house.say("Remind me to call Mum in ten minutes.")
            assert reply.say == "Okay, I'll remind you in ten minutes."
            assert await house.listener.hears(1) == ["Reminder: call Mum."]

    async def test_snooze(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            await house.say("pizza timer for twelve minutes")
            await house.listener.hears(1)
            assert (await house.say("Snooze.")).say == "I'll say it again in nine minutes."
            began = time.monotonic()
            await house.listener.hears(2)
            assert house.listener.said[1][0] - began == pytest.approx(540, abs=0.01)

    async def test_the_number_is_bounded(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            for _ in range(MOST_OF_ONE):
                await house.say("timer for an hour")
            assert (await house.say("timer for an hour")).say.startswith("There are too many timers")
            assert len(house.store.rows) == MOST_OF_ONE

    async def test_events_tell_of_it(self, bus: Bus) -> None:
        seen: list[Event] = []

        async def watch(kind: type[Event]) -> None:
            async with bus.subscribe(kind, limit=64, overflow=Overflow.FAIL, owner="test") as events:
                async for event in events:
                    seen.append(event)  # noqa: PERF401  # cancelled in the middle

        async with skills_house(bus) as house:
            watching = [asyncio.create_task(watch(kind)) for kind in (TimerSet, TimerCancelled, TimerFinished)]
            await house.say("tea timer for three minutes")
            await house.say("pasta timer for nine minutes")
            await house.say("Cancel the pasta timer")
            await house.listener.hears(1)
            for task in watching:
                task.cancel()
            told = [(type(event).__name__, event.timer.name) for event in seen]  # type: ignore[attr-defined]
            assert told == [
                ("TimerSet", "tea"),
                ("TimerSet", "pasta"),
                ("TimerCancelled", "pasta"),
                ("TimerFinished", "tea"),
            ]


class TestAlarms:
    @pytest.mark.parametrize(
        ("said", "reply", "after_h"),
        [
            ("Wake me at seven thirty.", "Alarm set for half past seven in the morning tomorrow.", 18.5),
            ("Alarm for 6:45 pm tomorrow", "Alarm set for quarter to seven in the evening tomorrow.", 29.75),
            ("Set an alarm for 6:45 pm", "Alarm set for quarter to seven in the evening.", 5.75),
            ("Set an alarm for noon on Wednesday", "Alarm set for midday on Wednesday.", 47),
            ("Set an alarm for 2", "Alarm set for two o'clock in the afternoon.", 1),
            ("Set an alarm for 1 pm", "Alarm set for one o'clock in the afternoon tomorrow.", 24),
            ("Set an alarm for midnight", "Alarm set for midnight tomorrow.", 11),
        ],
    )
    async def test_the_moment_that_is_meant(self, bus: Bus, said: str, reply: str, after_h: float) -> None:
        """It is Monday, 13:00 in Berlin."""
        async with skills_house(bus) as house:
            assert (await house.say(said)).say == reply
            began = time.monotonic()
            await house.listener.hears(1)
            assert house.listener.said[0][0] - began == pytest.approx(after_h * 3600, abs=5.1)

    async def test_what_it_says(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            await house.say("Set an alarm for 6:45 pm")
            assert await house.listener.hears(1) == ["It's quarter to seven in the evening. This is your alarm."]

    @pytest.mark.parametrize(
        ("wall", "after_h"),
        [
            (1_774_699_200.0, 19.5),  # Saturday, 13:00 in Berlin; the night has an hour less
            (1_792_843_200.0, 20.5),  # Saturday, 14:00 in Berlin; the night has an hour more
        ],
    )
    async def test_the_time_of_day_holds_over_a_change_of_summer_time(
        self, bus: Bus, wall: float, after_h: float
    ) -> None:
        async with skills_house(bus, clock=TestClock(wall_at_zero=wall)) as house:
            began = time.monotonic()
            reply = await house.say("Set an alarm for 9:30 in the morning on Sunday")
            assert reply.say == "Alarm set for half past nine in the morning tomorrow."
            await house.listener.hears(1)
            assert time.monotonic() - began == pytest.approx(after_h * 3600, abs=5.1)

    async def test_a_time_that_summer_time_skips(self, bus: Bus) -> None:
        async with skills_house(bus, clock=TestClock(wall_at_zero=1_774_735_200.0)) as house:
            assert (await house.say("Set an alarm for 2:30 am")).say == (
                "Alarm set for half past three in the morning tomorrow."
            )


class TestClocks:
    @pytest.mark.parametrize("jump_s", [3600, -3600, 10 * 365 * 86_400])
    async def test_a_timer_counts_on_when_the_clock_is_set(self, bus: Bus, jump_s: float) -> None:
        async with skills_house(bus) as house:
            began = time.monotonic()
            await house.say("Set a timer for ten minutes")
            await asyncio.sleep(60)
            house.clock.set_by(jump_s)
            await asyncio.sleep(2)
            assert house.listener.said == []
            (row,) = house.store.rows.values()
            assert row.due_at == pytest.approx(house.clock.now() + 538, abs=0.1)  # right after a restart as well
            await house.listener.hears(1)
            assert house.listener.said[0][0] - began == pytest.approx(600, abs=0.01)
            await asyncio.sleep(60)
            assert len(house.listener.said) == 3

    async def test_an_alarm_follows_the_clock_on_the_wall(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            began = time.monotonic()
            await house.say("Set an alarm for 2 pm")
            await asyncio.sleep(60)
            house.clock.set_by(3600 - 120)
            await house.listener.hears(1)
            assert time.monotonic() - began == pytest.approx(120, abs=5.1)

    @pytest.mark.parametrize(("boot", "jump_s", "left_s"), [("first", 3600, 240), ("second", 0, 240)])
    async def test_a_restart(self, bus: Bus, boot: str, jump_s: float, left_s: float) -> None:
        """Within a start of the machine the steady clock goes on; after another one the one on the wall counts."""
        clock, store = TestClock(), MemoryStore()
        async with skills_house(bus, clock=clock, store=store) as house:
            await house.say("tea timer for ten minutes")
            await asyncio.sleep(120)
        await asyncio.sleep(240)  # Solo is down
        clock.set_by(jump_s)
        clock.boot = boot
        async with skills_house(Bus(), clock=clock, store=store) as house:
            began = time.monotonic()
            assert await house.listener.hears(1) == ["Your tea timer is done."]
            assert time.monotonic() - began == pytest.approx(left_s, abs=0.01)

    async def test_one_that_ran_out_meanwhile_is_told_late(self, bus: Bus) -> None:
        clock, store = TestClock(), MemoryStore()
        async with skills_house(bus, clock=clock, store=store) as house:
            await house.say("tea timer for ten minutes")
            await house.say("Remind me to call Mum in eleven minutes")
        await asyncio.sleep(900)
        async with skills_house(Bus(), clock=clock, store=store, listener=Listener(there=False)) as house:
            await asyncio.sleep(30)
            house.listener.there = True
            assert await house.listener.hears(1) == [
                "Your tea timer ran out five minutes ago. Reminder from four minutes ago: call Mum."
            ]
            await asyncio.sleep(0.1)
            assert {row.told for row in store.rows.values()} == {True}

    async def test_one_that_was_told_is_not_told_again(self, bus: Bus) -> None:
        clock, store = TestClock(), MemoryStore()
        async with skills_house(bus, clock=clock, store=store) as house:
            await house.say("tea timer for ten minutes")
            await house.listener.hears(1)
            await asyncio.sleep(0.1)
        assert len(store.rows) == 1
        async with skills_house(Bus(), clock=clock, store=store) as house:
            await asyncio.sleep(600)
            assert house.listener.said == []
            assert store.rows == {}

    async def test_nobody_there_and_then_somebody(self, bus: Bus) -> None:
        async with skills_house(bus, listener=Listener(there=False)) as house:
            await house.say("tea timer for ten minutes")
            await asyncio.sleep(1200)
            house.listener.there = True
            assert await house.listener.hears(1) == ["Your tea timer ran out ten minutes ago."]

    async def test_told_elsewhere_when_its_source_is_gone(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            await house.say("tea timer for ten minutes", source="browser-1")
            await house.listener.hears(1)
            assert house.listener.said[0][1].source is None


class TestDatabase:
    async def test_nothing_is_promised_that_is_not_kept(self, bus: Bus) -> None:
        async with skills_house(bus) as house:
            house.store.away = True
            reply = await house.say("Set a timer for ten minutes")
            assert reply.say.startswith("I can't do that now")
            house.store.away = False
            assert await house.timers() == ()
            await asyncio.sleep(700)
            assert house.listener.said == []

    async def test_it_is_waited_for_at_the_start(self, bus: Bus) -> None:
        clock, store = TestClock(), MemoryStore()
        async with skills_house(bus, clock=clock, store=store) as house:
            await house.say("tea timer for ten minutes")
        store.away = True
        async with skills_house(Bus(), clock=clock, store=store) as house:
            await asyncio.sleep(60)
            assert (await house.say("What is 2 plus 2")).say == "Four."
            store.away = False
            assert await house.listener.hears(1) == ["Your tea timer is done."]


async def test_ten_thousand_timers_none_missed_none_twice() -> None:
    """Half by each clock, set over two hours, while the clock on the wall is set forth and back."""
    clock, store = TestClock(), MemoryStore()
    dice = random.Random(6)
    told: dict[str, float] = {}
    twice: list[str] = []

    def on_due(due: object) -> None:
        for entry in due:  # type: ignore[attr-defined]
            (twice.append(entry.id) if entry.id in told else None)
            told[entry.id] = time.monotonic() if not entry.by_clock else clock.now()

    keeper = Keeper(store, clock.clock(), on_due, lambda _: None)
    running = asyncio.create_task(keeper.run())
    wanted: dict[str, Entry] = {}
    for number in range(10_000):
        seconds = dice.uniform(1, 5400)
        now = clock.now()
        entry = Entry(
            id=str(number),
            profile=f"somebody {number % 200}",
            kind="timer",
            name="",
            source="",
            length_s=seconds,
            by_clock=number % 2 == 0,
            set_at=now,
            due_at=now + seconds,
            boot="first",
            due_steady=time.monotonic() + seconds,
        )
        wanted[entry.id] = replace(entry)
        await keeper.add(entry)
        if number % 50 == 0:
            await asyncio.sleep(dice.uniform(0, 72))
        if number == 3000:
            clock.set_by(400)
        if number == 6000:
            clock.set_by(-700)
    await asyncio.sleep(3 * 3600)
    running.cancel()
    assert twice == []
    assert set(told) == set(wanted)
    late = [told[id_] - (entry.due_at if entry.by_clock else entry.due_steady) for id_, entry in wanted.items()]
    assert min(late) > -0.001
    counting = [told[id_] - entry.due_steady for id_, entry in wanted.items() if not entry.by_clock]
    assert max(counting) < 0.01
