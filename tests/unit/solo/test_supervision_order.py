"""The keeper's order: draining in reverse, and services that hold others."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from solo.bus import Bus, Overflow, Request
from solo.errors import SoloError
from solo.supervision import Context, Intensity, State, Supervisor
from tests.stubs.services import House, answering, recorded, spec, supervised, until_stopped

pytestmark = pytest.mark.virtual_time

OFTEN = Intensity(crashes=1_000_000)


class Double(Request[int]):
    number: int


class Named(SoloError):
    """The engine is out of order."""

    code = "test.out_of_order"


def now() -> float:
    return asyncio.get_running_loop().time()


class TestDraining:
    async def test_in_reverse_order_one_by_one(self, bus: Bus) -> None:
        order: list[str] = []

        async def run(ctx: Context) -> None:
            ctx.ready()
            await ctx.stopping.wait()
            order.append(f"{ctx.name} begins")
            await asyncio.sleep(1)
            order.append(f"{ctx.name} ends")

        async with supervised(bus, *(spec(name, run) for name in ("one", "two", "three"))) as house:
            await house.reaches("three", State.READY)
        assert order == [f"{name} {what}" for name in ("three", "two", "one") for what in ("begins", "ends")]
        assert {state.state for state in house.supervisor.services()} == {State.STOPPED}

    async def test_work_under_way_is_finished(self, bus: Bus) -> None:
        async def slowly(question: Double) -> int:
            await asyncio.sleep(3)
            return question.number * 2

        async with supervised(bus, spec("one", answering(Double, slowly), answers=(Double,))) as house:
            asking = asyncio.create_task(bus.request(Double(number=2), within=10))
            await asyncio.sleep(1)
            house.stop.set()
            assert await asking == 4
            await asyncio.wait([house.task])

    async def test_no_longer_than_its_limit(self, bus: Bus) -> None:
        cancelled: list[float] = []

        async def run(ctx: Context) -> None:
            ctx.ready()
            try:
                await asyncio.sleep(1e9)
            finally:
                cancelled.append(now())

        async with supervised(bus, spec("one", run, drain_within=7)) as house:
            await house.reaches("one", State.READY)
            before = now()
        assert cancelled == [pytest.approx(before + 7)]

    async def test_a_service_that_ignores_cancellation_holds_nobody_up(self, bus: Bus) -> None:
        order: list[str] = []
        release = asyncio.Event()

        async def deaf(ctx: Context) -> None:
            ctx.ready()
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()

        async def run(ctx: Context) -> None:
            ctx.ready()
            await ctx.stopping.wait()
            order.append(ctx.name)

        async with supervised(bus, spec("one", run), spec("deaf", deaf, drain_within=2), spec("two", run)) as house:
            await house.reaches("two", State.READY)
            before = now()
        assert order == ["two", "one"]
        assert now() - before < 2 + 1.5
        assert house.supervisor.has_deaf_service
        release.set()
        await asyncio.sleep(0.001)

    async def test_at_once_when_told_so(self, bus: Bus) -> None:
        cancelled: list[str] = []

        async def run(ctx: Context) -> None:
            ctx.ready()
            try:
                await asyncio.sleep(1e9)
            finally:
                cancelled.append(ctx.name)

        async with supervised(bus, *(spec(name, run, drain_within=1000) for name in ("one", "two"))) as house:
            await house.reaches("two", State.READY)
            before = now()
            house.stop.set()
            await asyncio.sleep(10)
            assert cancelled == []
            house.stop_now.set()
            await asyncio.wait([house.task])
            assert cancelled == ["two", "one"]
            assert now() - before == pytest.approx(10)

    async def test_a_crash_while_draining_is_no_crash(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            ctx.ready()
            await ctx.stopping.wait()
            raise ValueError("a bug at the end")

        async with supervised(bus, spec("one", run, essential=True)) as house:
            await house.reaches("one", State.READY)
        assert house.state("one").state is State.STOPPED

    async def test_before_it_was_ready(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            await ctx.stopping.wait()

        async with supervised(bus, spec("one", run)) as house:
            assert house.state("one").state is State.STARTING
        assert house.state("one").state is State.STOPPED

    async def test_subscriptions_end_by_themselves(self, bus: Bus) -> None:
        from solo.bus import Event

        ended: list[str] = []

        async def run(ctx: Context) -> None:
            async with ctx.subscribe(Event, limit=9000, overflow=Overflow.DROP_OLDEST) as facts:
                ctx.ready()
                async for _ in facts:
                    pass
                ended.append("by itself")

        async with supervised(bus, spec("one", run)) as house:
            await house.reaches("one", State.READY)
        assert ended == ["by itself"]


class TestHolding:
    async def family(self, house: House) -> dict[str, int]:
        return {state.name: state.restarts for state in house.supervisor.services()}

    async def test_waits_for_what_it_holds(self, bus: Bus) -> None:
        async def slow(ctx: Context) -> None:
            await asyncio.sleep(5)
            await until_stopped(ctx)

        async with supervised(bus, spec("pool", slow), spec("store", until_stopped, holds=("pool",))) as house:
            await asyncio.sleep(4.9)
            assert house.state("store").state is State.WAITING
            await house.reaches("store", State.READY)

    async def test_is_restarted_with_it(self, bus: Bus) -> None:
        crash = asyncio.Event()

        async def pool(ctx: Context) -> None:
            ctx.ready()
            await crash.wait()
            crash.clear()
            raise Named

        async with recorded(bus) as seen:
            async with supervised(
                bus,
                spec("other", until_stopped),
                spec("pool", pool, intensity=OFTEN),
                spec("store", until_stopped, holds=("pool",)),
                spec("reader", until_stopped, holds=("store",)),
            ) as house:
                await house.reaches("reader", State.READY)
                for round_ in range(1, 4):
                    crash.set()
                    await house.reaches("pool", State.BACKOFF)
                    await house.reaches("reader", State.READY)
                    assert await self.family(house) == {"other": 0, "pool": round_, "store": round_, "reader": round_}
                house.stop.set()
                await asyncio.wait([house.task])
        # Never is a dependant ready while what it holds is not.
        states: dict[str, State] = {}
        for name, state in seen:
            states[name] = state
            if state is State.READY and name in {"store", "reader"}:
                assert states[{"store": "pool", "reader": "store"}[name]] is State.READY

    async def test_a_dependant_that_will_not_go_is_cancelled(self, bus: Bus) -> None:
        crash = asyncio.Event()
        starts = 0

        async def pool(ctx: Context) -> None:
            ctx.ready()
            await crash.wait()
            crash.clear()
            raise Named

        async def deaf(ctx: Context) -> None:
            nonlocal starts
            starts += 1
            ctx.ready()
            await asyncio.sleep(1e9)

        async with supervised(bus, spec("pool", pool), spec("deaf", deaf, holds=("pool",), drain_within=3)) as house:
            await house.reaches("deaf", State.READY)
            crash.set()
            await house.reaches("pool", State.BACKOFF)
            await asyncio.sleep(10)
            assert starts == 2
            assert house.state("deaf").state is State.READY
            house.stop_now.set()

    async def test_its_own_crash_is_its_own(self, bus: Bus) -> None:
        crash = asyncio.Event()

        async def store(ctx: Context) -> None:
            ctx.ready()
            await crash.wait()
            crash.clear()
            raise Named

        async with supervised(bus, spec("pool", until_stopped), spec("store", store, holds=("pool",))) as house:
            await house.reaches("store", State.READY)
            crash.set()
            await house.reaches("store", State.BACKOFF)
            await house.reaches("store", State.READY)
            assert await self.family(house) == {"pool": 0, "store": 1}

    @pytest.mark.parametrize("holds", [("nobody",), ("behind",), ("one",)])
    def test_only_what_is_listed_before(self, bus: Bus, holds: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="which is not listed before it"):
            Supervisor([spec("one", until_stopped, holds=holds), spec("behind", until_stopped)], bus)

    def test_two_of_a_name_are_refused(self, bus: Bus) -> None:
        with pytest.raises(ValueError, match="two services are named one"):
            Supervisor([spec("one", until_stopped), spec("one", until_stopped)], bus)
