"""Facts on the bus: who gets them, what happens to those that do not fit, and that nobody disturbs anybody."""

from __future__ import annotations

import asyncio

import pytest

from solo.bus import Bus, Event, Mailbox, Overflow, SlowSubscriber, in_turn


class Happened(Event):
    number: int = 0


class HappenedLoudly(Happened):
    pass


class Unrelated(Event):
    pass


async def take(box: Mailbox[Happened], count: int) -> list[int]:
    return [(await anext(box)).number for _ in range(count)]


class TestRouting:
    async def test_to_the_kind_and_to_every_parent_of_it(self, bus: Bus) -> None:
        async with (
            bus.subscribe(HappenedLoudly, limit=9, overflow=Overflow.FAIL) as exact,
            bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as parent,
            bus.subscribe(Event, limit=9, overflow=Overflow.FAIL) as everything,
            bus.subscribe(Unrelated, limit=9, overflow=Overflow.FAIL) as other,
        ):
            bus.publish(HappenedLoudly())
            bus.publish(Happened())
        assert [type(event) async for event in exact] == [HappenedLoudly]
        assert [type(event) async for event in parent] == [HappenedLoudly, Happened]
        assert [type(event) async for event in everything] == [HappenedLoudly, Happened]
        assert [event async for event in other] == []

    async def test_in_the_order_of_publication(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=100, overflow=Overflow.FAIL) as box:
            for number in range(100):
                bus.publish(Happened(number=number))
            assert await take(box, 100) == list(range(100))

    async def test_only_what_was_published_inside_the_block(self, bus: Bus) -> None:
        bus.publish(Happened(number=1))
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
            bus.publish(Happened(number=2))
        bus.publish(Happened(number=3))
        assert [event.number async for event in box] == [2]

    async def test_a_late_subscriber_of_a_known_kind_is_served(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as first:
            bus.publish(Happened(number=1))
            async with bus.subscribe(Event, limit=9, overflow=Overflow.FAIL) as late:
                bus.publish(Happened(number=2))
                assert late.statistics().waiting == 1
            assert first.statistics().waiting == 2

    async def test_carries_id_and_turn(self, bus: Bus) -> None:
        with in_turn("a turn"):
            inside = Happened()
        outside = Happened()
        assert inside.turn_id == "a turn"
        assert outside.turn_id is None
        assert inside.id != outside.id

    def test_serialises(self) -> None:
        event = Happened(number=3)
        assert Happened.model_validate_json(event.model_dump_json()) == event


class TestOverflow:
    async def test_drop_oldest_keeps_the_newest(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=3, overflow=Overflow.DROP_OLDEST) as box:
            for number in range(10):
                bus.publish(Happened(number=number))
            assert await take(box, 3) == [7, 8, 9]
            assert box.dropped == 7

    async def test_drop_newest_keeps_the_oldest(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=3, overflow=Overflow.DROP_NEWEST) as box:
            for number in range(10):
                bus.publish(Happened(number=number))
            assert await take(box, 3) == [0, 1, 2]
            assert box.dropped == 7

    async def test_fail_tells_the_subscriber_not_the_publisher(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=3, overflow=Overflow.FAIL, owner="reader") as box:
            for number in range(10):
                bus.publish(Happened(number=number))
            with pytest.raises(SlowSubscriber, match=r"reader did not keep up with Happened \(limit 3\)"):
                await anext(box)

    async def test_fail_wakes_a_subscriber_that_waits(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=1, overflow=Overflow.FAIL) as box:
            waiting = asyncio.create_task(anext(box))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            bus.publish(Happened())
            bus.publish(Happened())
            with pytest.raises(SlowSubscriber):
                await waiting

    @pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.DROP_NEWEST])
    async def test_a_burst_is_counted_to_the_last_message(self, bus: Bus, overflow: Overflow) -> None:
        burst, limit = 100_000, 1000
        event = Happened()
        async with bus.subscribe(Happened, limit=limit, overflow=overflow, owner="reader") as box:
            for _ in range(burst):
                bus.publish(event)
            seen = bus.statistics()
            assert (seen.published, seen.dropped) == (burst, burst - limit)
            assert box.statistics().waiting == limit
            for _ in range(limit):
                await anext(box)
            assert box.statistics().delivered + box.dropped == burst
        # What a mailbox lost is not forgotten when it closes.
        assert bus.statistics().dropped == burst - limit

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_mailbox_that_holds_nothing_is_refused(self, limit: int) -> None:
        with pytest.raises(ValueError, match="at least one"):
            Mailbox("reader", Happened, limit=limit, overflow=Overflow.FAIL)


class TestIndependence:
    async def test_a_slow_subscriber_costs_others_nothing(self, bus: Bus) -> None:
        async with (
            bus.subscribe(Happened, limit=2, overflow=Overflow.DROP_OLDEST) as slow,
            bus.subscribe(Happened, limit=1000, overflow=Overflow.FAIL) as quick,
        ):
            for number in range(1000):
                bus.publish(Happened(number=number))
            assert await take(quick, 1000) == list(range(1000))
            assert (slow.dropped, quick.dropped) == (998, 0)

    @pytest.mark.parametrize("error", [ValueError(), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
    async def test_a_failing_subscriber_costs_others_nothing(self, bus: Bus, error: BaseException) -> None:
        async def fail() -> None:
            try:
                async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
                    await anext(box)
                    raise error
            except type(error):
                return

        failing = asyncio.create_task(fail())
        await asyncio.sleep(0)
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
            bus.publish(Happened(number=1))
            await failing
            bus.publish(Happened(number=2))
            assert await take(box, 2) == [1, 2]
        assert bus.statistics().mailboxes == ()

    async def test_publishing_while_handling_is_delivered_to_oneself(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
            bus.publish(Happened(number=0))
            seen = []
            async for event in box:
                seen.append(event.number)
                if event.number == 4:
                    break
                bus.publish(Happened(number=event.number + 1))
        assert seen == [0, 1, 2, 3, 4]

    async def test_a_backlog_lets_the_loop_turn(self, bus: Bus) -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        backlog = 10_000
        async with bus.subscribe(Happened, limit=backlog, overflow=Overflow.FAIL) as box:
            for _ in range(backlog):
                bus.publish(Happened())
            counting = asyncio.create_task(count())
            for _ in range(backlog):
                await anext(box)
            counting.cancel()
        assert turns >= backlog // 200

    async def test_two_consumers_of_two_backlogs_take_turns(self, bus: Bus) -> None:
        order: list[str] = []

        async def consume(name: str, box: Mailbox[Happened]) -> None:
            for _ in range(1000):
                await anext(box)
                order.append(name)

        async with (
            bus.subscribe(Happened, limit=1000, overflow=Overflow.FAIL) as one,
            bus.subscribe(Happened, limit=1000, overflow=Overflow.FAIL) as two,
        ):
            for _ in range(1000):
                bus.publish(Happened())
            await asyncio.gather(consume("one", one), consume("two", two))
        first_of_two = order.index("two")
        assert first_of_two < 1000  # before `one` had finished


class TestClosing:
    async def test_what_waits_is_still_handed_out(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
            bus.publish(Happened(number=1))
            box.close()
            bus.publish(Happened(number=2))
            assert [event.number async for event in box] == [1]

    async def test_a_waiting_consumer_is_released(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
            waiting = asyncio.create_task(anext(box, None))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            box.close()
            assert await waiting is None

    async def test_a_cancelled_consumer_loses_nothing(self, bus: Bus) -> None:
        async with bus.subscribe(Happened, limit=9, overflow=Overflow.FAIL) as box:
            waiting = asyncio.create_task(anext(box))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            bus.publish(Happened(number=1))
            assert await take(box, 1) == [1]
