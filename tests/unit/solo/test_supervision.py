"""The keeper: readiness, back-off, limits, containment of every kind of crash, what it tells."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest

from solo.bus import Bus, Request
from solo.errors import SoloError
from solo.supervision import Context, Intensity, Restart, RestartLimitReached, State, backoff
from tests.stubs.services import answering, recorded, spec, supervised, until_stopped

pytestmark = pytest.mark.virtual_time

SETTLED = {State.READY, State.DEGRADED}
OFTEN = Intensity(crashes=1_000_000)


class Double(Request[int]):
    number: int


class Provoke(Request[None]):
    pass


class Strange(BaseException):
    """Not even an Exception."""


class Named(SoloError):
    """The engine is out of order."""

    code = "test.out_of_order"


async def double(question: Double) -> int:
    return question.number * 2


def now() -> float:
    return asyncio.get_running_loop().time()


class TestReadiness:
    async def test_is_said_by_the_service(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            await asyncio.sleep(7)
            ctx.ready("warm")
            await ctx.stopping.wait()

        async with supervised(bus, spec("one", run)) as house:
            assert house.state("one").state is State.STARTING
            await asyncio.sleep(6.9)
            assert house.state("one").state is State.STARTING
            state = await house.reaches("one", State.READY)
            assert (state.note, state.ready_after_s, state.restarts) == ("warm", 7.0, 0)

    async def test_does_not_come_in_time(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            await asyncio.sleep(1e9)

        async with supervised(bus, spec("one", run, ready_within=10)) as house:
            before = now()
            state = await house.reaches("one", State.BACKOFF)
            assert now() - before == pytest.approx(10)
            assert state.last_error is not None
            assert state.last_error.code == "supervision.not_ready"
            assert "one was not ready within 10 s" in state.last_error.message

    async def test_once_said_there_is_no_limit(self, bus: Bus) -> None:
        async with supervised(bus, spec("one", until_stopped, ready_within=10)) as house:
            await asyncio.sleep(100_000)
            assert house.state("one").state is State.READY
            assert house.state("one").restarts == 0

    async def test_a_time_out_of_its_own_is_no_missing_readiness(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            async with asyncio.timeout(1):
                await asyncio.sleep(1e9)

        async with supervised(bus, spec("one", run, ready_within=10)) as house:
            state = await house.reaches("one", State.BACKOFF)
            assert state.last_error is not None
            assert state.last_error.code == "supervision.crashed"
            assert "TimeoutError" in state.last_error.message

    async def test_degraded_says_what_is_missing(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            ctx.degraded("no GPU")
            await ctx.stopping.wait()

        async with supervised(bus, spec("one", run)) as house:
            assert (await house.reaches("one", State.DEGRADED)).note == "no GPU"
            assert house.supervisor.all_settled


class TestBackOff:
    def test_doubles_from_a_fifth_of_a_second_to_half_a_minute(self) -> None:
        class NoJitter(random.Random):
            def uniform(self, a: float, b: float) -> float:
                return 0.0

        delays = [backoff.delay(crashes, rng=NoJitter()) for crashes in range(1, 12)]
        assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30])

    @pytest.mark.parametrize("crashes", [1, 2, 5, 9, 40, 100_000])
    def test_varies_within_its_bounds(self, crashes: int) -> None:
        rng = random.Random(1)
        plain = min(30.0, 0.2 * 2.0 ** min(crashes - 1, 32))
        delays = [backoff.delay(crashes, rng=rng) for _ in range(1000)]
        assert all(0.8 * plain <= delay <= min(30.0, 1.2 * plain) for delay in delays)
        assert len(set(delays)) > 400

    def test_no_crash_no_wait(self) -> None:
        assert backoff.delay(0, rng=random.Random(1)) == 0

    async def test_is_kept_between_starts(self, bus: Bus) -> None:
        starts: list[float] = []

        async def run(ctx: Context) -> None:
            starts.append(now())
            raise ValueError("a bug")

        async with supervised(bus, spec("one", run, intensity=OFTEN)):
            await asyncio.sleep(200)
        gaps = [after - before for before, after in pairwise(starts)]
        plain = [min(30.0, 0.2 * 2.0**number) for number in range(len(gaps))]
        assert len(gaps) > 8
        for gap, expected in zip(gaps, plain, strict=True):
            assert 0.8 * expected <= gap <= 1.2 * expected

    @pytest.mark.parametrize(("healthy_s", "resets"), [(5.0, True), (1.0, False)])
    async def test_begins_anew_after_health(self, bus: Bus, healthy_s: float, resets: bool) -> None:
        ends: list[float] = []
        starts: list[float] = []

        async def run(ctx: Context) -> None:
            starts.append(now())
            ctx.ready()
            await asyncio.sleep(healthy_s)
            ends.append(now())
            raise ValueError("a bug")

        async with supervised(bus, spec("one", run, intensity=OFTEN, healthy_after=2.0)):
            while len(starts) < 8:
                await asyncio.sleep(0.01)
        pauses = [start - end for end, start in zip(ends, starts[1:], strict=False)]
        if resets:
            assert max(pauses) < 0.25
        else:
            assert pauses[6] > 10

    async def test_is_cut_short_by_stopping(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            raise ValueError("a bug")

        async with supervised(bus, spec("one", run, intensity=OFTEN)) as house:
            await asyncio.sleep(100)  # it waits for about half a minute now
            await house.reaches("one", State.BACKOFF)
            before = now()
        assert now() - before < 0.1
        assert house.state("one").state is State.STOPPED


class TestIntensity:
    async def test_an_essential_service_stops_solo_after_draining(self, bus: Bus) -> None:
        drained: list[str] = []

        async def healthy(ctx: Context) -> None:
            ctx.ready()
            await ctx.stopping.wait()
            await asyncio.sleep(1)
            drained.append(ctx.name)

        async def crash(ctx: Context) -> None:
            raise Named

        with pytest.raises(RestartLimitReached, match=r"bad crashed 6 times in 60 s, last: The engine is out of order"):
            async with supervised(
                bus, spec("first", healthy), spec("bad", crash, essential=True), spec("last", healthy)
            ) as house:
                await asyncio.wait([house.task])
                assert drained == ["last", "first"]
                assert house.state("bad").state is State.FAILED

    async def test_five_crashes_are_forgiven(self, bus: Bus) -> None:
        starts = 0

        async def run(ctx: Context) -> None:
            nonlocal starts
            starts += 1
            if starts <= 5:
                raise Named
            await until_stopped(ctx)

        async with supervised(bus, spec("one", run, essential=True)) as house:
            assert (await house.reaches("one", State.READY)).restarts == 5

    async def test_so_are_many_in_a_long_time(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            ctx.ready()
            await asyncio.sleep(20)
            raise Named

        async with supervised(bus, spec("one", run, essential=True)) as house:
            await asyncio.sleep(3600)
            assert house.state("one").restarts > 100
            assert not house.task.done()

    async def test_any_other_stays_and_keeps_trying(self, bus: Bus) -> None:
        mended = False

        async def run(ctx: Context) -> None:
            if not mended:
                raise Named
            await until_stopped(ctx)

        async with supervised(bus, spec("one", run), spec("other", until_stopped)) as house:
            await asyncio.sleep(20)
            state = house.state("one")
            assert state.restarts > 5
            assert "crashed 6 times in 60 s" in state.note or "crashed 7 times in 60 s" in state.note
            assert house.state("other").state is State.READY
            mended = True
            await house.reaches("one", State.READY)
            assert house.supervisor.all_settled


class TestReturning:
    async def test_counts_as_a_crash(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            ctx.ready()

        async with supervised(bus, spec("one", run)) as house:
            state = await house.reaches("one", State.BACKOFF)
            assert state.last_error is not None
            assert state.last_error.code == "supervision.returned"

    async def test_may_be_allowed(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            ctx.ready()

        async with supervised(bus, spec("one", run, restart=Restart.ON_FAILURE), spec("other", until_stopped)) as house:
            assert (await house.reaches("one", State.STOPPED)).restarts == 0
            assert house.supervisor.all_settled

    async def test_a_service_never_restarted_fails_once(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            raise Named

        async with supervised(bus, spec("one", run, restart=Restart.NEVER), spec("other", until_stopped)) as house:
            state = await house.reaches("one", State.FAILED)
            assert state.restarts == 0
            assert state.last_error is not None
            assert state.last_error.code == "test.out_of_order"
            await asyncio.sleep(1000)
            assert house.state("other").state is State.READY

    async def test_the_supervisor_ends_when_all_have(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            ctx.ready()

        async with supervised(bus, spec("one", run, restart=Restart.ON_FAILURE)) as house:
            async with asyncio.timeout(1):
                await asyncio.wait([house.task])


FAULTS: dict[str, Callable[[], BaseException]] = {
    "Exception": lambda: ValueError("a bug"),
    "SoloError": Named,
    "CancelledError": asyncio.CancelledError,
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "ExceptionGroup": lambda: ExceptionGroup("two bugs", [ValueError("one"), Named("two")]),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("worse", [SystemExit(3), KeyboardInterrupt()]),
    "BaseException": lambda: Strange("odd"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["before ready", "run", "handler", "subtask", "cleanup"])
async def test_any_crash_anywhere_leaves_the_others_serving(bus: Bus, fault: str, place: str) -> None:
    provoked = asyncio.Event()
    once = [True]

    def crash() -> None:
        if once:
            once.clear()
            raise FAULTS[fault]()

    async def handler(_: Provoke) -> None:
        provoked.set()
        if place == "handler":
            crash()

    async def subtask() -> None:
        await provoked.wait()
        if place == "subtask":
            crash()

    async def run(ctx: Context) -> None:
        if place == "before ready":
            crash()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(subtask())
            tasks.create_task(ctx.answer(Provoke, handler))
            ctx.ready()
            await provoked.wait()
            try:
                if place == "cleanup" and once:
                    raise ValueError("first")
            finally:
                if place in {"run", "cleanup"}:
                    crash()

    async with supervised(
        bus,
        spec("before", answering(Double, double), answers=(Double,)),
        spec("victim", run, answers=(Provoke,)),
        spec("behind", until_stopped),
    ) as house:
        with suppress(SoloError):
            await bus.request(Provoke(), within=5)
        await asyncio.sleep(5)
        assert not house.task.done()
        assert await bus.request(Double(number=21), within=1) == 42
        await bus.request(Provoke(), within=5)
        for name in ("before", "behind"):
            assert (house.state(name).state, house.state(name).restarts) == (State.READY, 0)
        victim = house.state("victim")
        assert victim.state is State.READY
        if fault == "SoloError" and place == "handler":
            assert victim.restarts == 0  # an answer like any other
        else:
            assert victim.restarts == 1
            assert victim.last_error is not None


async def test_the_named_error_of_a_group_is_the_one_shown(bus: Bus) -> None:
    async def run(ctx: Context) -> None:
        raise ExceptionGroup("outer", [ValueError("one"), ExceptionGroup("inner", [Named(hint="Mend it.")])])

    async with supervised(bus, spec("one", run)) as house:
        state = await house.reaches("one", State.BACKOFF)
        assert state.last_error is not None
        assert state.last_error.message == "The engine is out of order. Mend it. [test.out_of_order]"


class TestTelling:
    async def test_every_change_is_published_once(self, bus: Bus) -> None:
        async with recorded(bus) as seen:
            async with supervised(bus, spec("one", until_stopped)) as house:
                await house.reaches("one", State.READY)
        assert [state for _, state in seen] == [State.STARTING, State.READY, State.DRAINING, State.STOPPED]

    async def test_questions_to_a_service_gone_for_good_fail_at_once(self, bus: Bus) -> None:
        from solo.bus import NoHandler

        async def run(ctx: Context) -> None:
            raise Named

        async with supervised(
            bus, spec("one", run, restart=Restart.NEVER, answers=(Double,)), spec("other", until_stopped)
        ) as house:
            await house.reaches("one", State.FAILED)
            await asyncio.sleep(0.001)
            before = now()
            with pytest.raises(NoHandler):
                await bus.request(Double(number=1), within=1000)
            assert now() == before

    async def test_questions_to_a_service_that_keeps_failing_hear_why(self, bus: Bus) -> None:
        mended = False

        async def run(ctx: Context) -> None:
            if not mended:
                raise Named(hint="Mend it.")
            ctx.ready()
            await ctx.answer(Double, double)

        async with supervised(bus, spec("one", run, intensity=OFTEN, answers=(Double,))) as house:
            before = now()
            with pytest.raises(Named, match="The engine is out of order"):
                await bus.request(Double(number=1), within=1000)
            assert now() - before < 1  # the second crash in a row tells
            mended = True
            await house.reaches("one", State.READY)
            assert await bus.request(Double(number=2), within=1) == 4

    async def test_a_snapshot_is_frozen(self, bus: Bus) -> None:
        async with supervised(bus, spec("one", until_stopped)) as house:
            state = house.state("one")
            with pytest.raises(ValueError, match="frozen"):
                state.note = "changed"  # type: ignore[misc]
