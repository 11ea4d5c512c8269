"""Questions on the bus: one typed answer or a stream of them, deadlines, cancellation, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from solo.bus import (
    Bus,
    Busy,
    DeadlineExceeded,
    DuplicateHandler,
    HandlerCrashed,
    HandlerStopped,
    NoHandler,
    Request,
    StreamRequest,
    remaining,
)
from solo.bus.calls import STREAM_AHEAD, Handler
from solo.bus.context import current_cause
from solo.errors import SoloError
from solo.supervision import Context, State
from tests.stubs.services import answering, spec, supervised

pytestmark = pytest.mark.virtual_time


class Double(Request[int]):
    number: int


class DoubleSafely(Request[int]):
    idempotent = True

    number: int


class Outer(Request[str]):
    pass


class Inner(Request[str]):
    pass


class Count(StreamRequest[int]):
    to: int


class Refused(SoloError):
    """No."""

    code = "test.refused"


class TryAgain(SoloError):
    """Not now."""

    code = "test.try_again"
    retryable = True


@asynccontextmanager
async def serving(
    bus: Bus,
    kind: type[Any],
    answer: Callable[[Any], Any],
    *,
    limit: int = 64,
    owner: str = "server",
    restarts: bool = True,
) -> AsyncIterator[Handler]:
    async with asyncio.TaskGroup() as tasks:
        with bus.serve(kind, answer, owner=owner, tasks=tasks, limit=limit, restarts=restarts) as handler:
            yield handler


async def double(question: Double) -> int:
    return question.number * 2


async def for_ever(_: Any) -> Any:
    await asyncio.sleep(1e9)


def now() -> float:
    return asyncio.get_running_loop().time()


class TestAnswer:
    async def test_is_of_the_type_that_the_question_names(self, bus: Bus) -> None:
        async with serving(bus, Double, double):
            answer: int = await bus.request(Double(number=21), within=1)
        assert answer == 42

    async def test_nobody_answers(self, bus: Bus) -> None:
        with pytest.raises(NoHandler, match="no running service answers Double"):
            await bus.request(Double(number=1), within=1)
        with pytest.raises(NoHandler):
            async with bus.stream(Count(to=1), within=1):
                pass

    async def test_a_second_handler_is_refused(self, bus: Bus) -> None:
        async with serving(bus, Double, double, owner="first"):
            with pytest.raises(DuplicateHandler, match="already answered by first, so second cannot"):
                with bus.serve(Double, double, owner="second", tasks=asyncio.TaskGroup(), limit=1):
                    pass
            assert await bus.request(Double(number=1), within=1) == 2

    async def test_more_than_the_limit_at_once_is_busy(self, bus: Bus) -> None:
        async with serving(bus, Double, for_ever, limit=2) as handler:
            asking = [asyncio.create_task(bus.request(Double(number=1), within=1e6)) for _ in range(2)]
            await asyncio.sleep(1)
            assert handler.in_flight == 2
            with pytest.raises(Busy, match="server already has 2 requests of kind Double under way"):
                await bus.request(Double(number=1), within=1)
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
            await asyncio.sleep(1)
            assert handler.in_flight == 0

    async def test_whoever_was_answered_may_ask_again_at_once(self, bus: Bus) -> None:
        async with serving(bus, Double, double, limit=1):
            assert [await bus.request(Double(number=number), within=1) for number in range(3)] == [0, 2, 4]

    async def test_an_expected_failure_is_an_answer_and_no_crash(self, bus: Bus) -> None:
        async def refuse(_: Double) -> int:
            raise Refused(hint="Ask another.")

        async with serving(bus, Double, refuse):
            for _ in range(2):
                with pytest.raises(Refused) as caught:
                    await bus.request(Double(number=1), within=1)
                assert caught.value.hint == "Ask another."

    async def test_what_the_handler_sends_names_its_cause(self, bus: Bus) -> None:
        seen: list[str | None] = []

        async def note(_: Double) -> int:
            seen.append(current_cause.get())
            return 0

        question = Double(number=1)
        async with serving(bus, Double, note):
            await bus.request(question, within=1)
        assert seen == [question.id]
        assert current_cause.get() is None


class TestDeadline:
    async def test_is_kept_by_the_bus(self, bus: Bus) -> None:
        async with serving(bus, Double, for_ever) as handler:
            before = now()
            with pytest.raises(DeadlineExceeded, match="Double was not answered in time"):
                await bus.request(Double(number=1), within=3)
            assert now() - before == pytest.approx(3)
            await asyncio.sleep(1)
            assert handler.in_flight == 0

    @pytest.mark.parametrize(("outer", "inner", "expected"), [(2.0, 30.0, 2.0), (30.0, 2.0, 2.0)])
    async def test_the_smaller_one_wins(self, bus: Bus, outer: float, inner: float, expected: float) -> None:
        left: list[float | None] = []
        ended: list[float] = []

        async def ask_on(_: Outer) -> str:
            return await bus.request(Inner(), within=inner)

        async def note(_: Inner) -> str:
            left.append(remaining())
            try:
                await asyncio.sleep(1e9)
            finally:
                ended.append(now())
            return ""

        async with serving(bus, Outer, ask_on), serving(bus, Inner, note):
            before = now()
            with pytest.raises(DeadlineExceeded):
                await bus.request(Outer(), within=outer)
            await asyncio.sleep(0.001)
        assert left == [pytest.approx(expected)]
        assert ended == [pytest.approx(before + expected)]

    async def test_is_handed_back(self, bus: Bus) -> None:
        assert remaining() is None
        async with serving(bus, Double, double):
            await bus.request(Double(number=1), within=1)
        assert remaining() is None

    async def test_an_error_of_the_handler_is_not_mistaken_for_one(self, bus: Bus) -> None:
        async def time_out(_: Double) -> int:
            raise Refused

        async with serving(bus, Double, time_out):
            with pytest.raises(Refused):
                await bus.request(Double(number=1), within=1e-9)


class TestLeaving:
    async def test_cancels_what_was_asked_on_ones_behalf_two_levels_deep(self, bus: Bus) -> None:
        ended: list[str] = []

        async def outer(_: Outer) -> str:
            try:
                return await bus.request(Inner(), within=1e6)
            finally:
                ended.append("outer")

        async def inner(_: Inner) -> str:
            try:
                await bus.request(Double(number=1), within=1e6)
            finally:
                ended.append("inner")
            return ""

        async def innermost(_: Double) -> int:
            try:
                await asyncio.sleep(1e9)
            finally:
                ended.append("innermost")
            return 0

        async with serving(bus, Outer, outer), serving(bus, Inner, inner), serving(bus, Double, innermost):
            asking = asyncio.create_task(bus.request(Outer(), within=1e6))
            await asyncio.sleep(1)
            asking.cancel()
            await asyncio.wait([asking])
            await asyncio.sleep(0.001)
            assert sorted(ended) == ["inner", "innermost", "outer"]
            assert asking.cancelled()

    async def test_makes_nobody_else_wait(self, bus: Bus) -> None:
        async def first_for_ever(question: Double) -> int:
            return await for_ever(question) if question.number == 0 else question.number * 2

        async with serving(bus, Double, first_for_ever):
            with pytest.raises(DeadlineExceeded):
                await bus.request(Double(number=0), within=1)
            before = now()
            assert await bus.request(Double(number=1), within=1) == 2
            assert now() == before

    async def test_does_not_wait_for_a_handler_that_will_not_go(self, bus: Bus) -> None:
        async def stubborn(_: Double) -> int:
            try:
                await asyncio.sleep(1e9)
            except asyncio.CancelledError:
                await asyncio.sleep(100)
            return 0

        async with serving(bus, Double, stubborn):
            before = now()
            with pytest.raises(DeadlineExceeded):
                await bus.request(Double(number=1), within=1)
            assert now() - before == pytest.approx(1)


class TestCrash:
    async def test_is_answered_and_ends_the_service(self, bus: Bus) -> None:
        async def crash(_: Double) -> int:
            raise ValueError("a bug")

        async with supervised(bus, spec("server", answering(Double, crash), answers=(Double,))) as house:
            with pytest.raises(HandlerCrashed, match=r"server crashed while it answered Double: ValueError\('a bug'\)"):
                await bus.request(Double(number=1), within=1)
            crashed = await house.reaches("server", State.BACKOFF)
            assert crashed.last_error is not None
            assert (crashed.last_error.code, crashed.restarts) == ("supervision.crashed", 1)
            assert "ValueError: a bug" in crashed.last_error.message
            await house.reaches("server", State.READY)

    async def test_others_being_answered_hear_that_it_stopped(self, bus: Bus) -> None:
        async def crash_on_zero(question: Double) -> int:
            if question.number == 0:
                raise ValueError("a bug")
            await asyncio.sleep(1e9)
            return 0

        async with supervised(bus, spec("server", answering(Double, crash_on_zero), answers=(Double,))):
            waiting = asyncio.create_task(bus.request(Double(number=1), within=1e6))
            await asyncio.sleep(1)
            with pytest.raises(HandlerCrashed):
                await bus.request(Double(number=0), within=1)
            with pytest.raises(HandlerStopped):
                await waiting

    @pytest.mark.parametrize("steps", range(8))
    @pytest.mark.parametrize("ask", ["request", "stream"])
    async def test_at_whatever_step_it_comes_the_asker_hears_at_once(self, bus: Bus, ask: str, steps: int) -> None:
        """Among them: the handler's task is cancelled before its first step, and its task group takes no more."""
        crash = asyncio.Event()

        async def count(_: Count) -> AsyncGenerator[int, None]:
            yield 1

        async def run(ctx: Context) -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ctx.answer(Double, double))
                tasks.create_task(ctx.answer(Count, count))
                ctx.ready()
                await crash.wait()
                crash.clear()
                raise ValueError("a bug")

        async with supervised(bus, spec("server", run, answers=(Double, Count))) as house:
            await house.reaches("server", State.READY)
            await asyncio.sleep(1)
            before = now()
            crash.set()
            for _ in range(steps):
                await asyncio.sleep(0)
            with suppress(HandlerStopped):
                if ask == "request":
                    assert await bus.request(Double(number=1), within=1000) == 2
                else:
                    async with bus.stream(Count(to=1), within=1000) as numbers:
                        assert await anext(numbers) == 1
            assert now() - before < 1

    @pytest.mark.parametrize("fault", [TryAgain, ValueError])
    async def test_an_idempotent_question_is_asked_once_more(self, bus: Bus, fault: type[Exception]) -> None:
        asked = 0

        async def fail_once(question: DoubleSafely) -> int:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise fault
            return question.number * 2

        async with supervised(bus, spec("server", answering(DoubleSafely, fail_once), answers=(DoubleSafely,))):
            assert await bus.request(DoubleSafely(number=4), within=10) == 8
        assert asked == 2

    async def test_but_only_once(self, bus: Bus) -> None:
        asked = 0

        async def fail(_: DoubleSafely) -> int:
            nonlocal asked
            asked += 1
            raise TryAgain

        async with serving(bus, DoubleSafely, fail):
            with pytest.raises(TryAgain):
                await bus.request(DoubleSafely(number=4), within=10)
        assert asked == 2

    @pytest.mark.parametrize(("kind", "error"), [(Double, TryAgain), (DoubleSafely, Refused)])
    async def test_nor_any_other_question_or_error(self, bus: Bus, kind: type[Any], error: type[SoloError]) -> None:
        asked = 0

        async def fail(_: Any) -> int:
            nonlocal asked
            asked += 1
            raise error

        async with serving(bus, kind, fail):
            with pytest.raises(error):
                await bus.request(kind(number=4), within=10)
        assert asked == 1

    @pytest.mark.parametrize("restarts", [True, False])
    async def test_the_next_asker_waits_for_a_restart_only_where_one_may_come(self, bus: Bus, restarts: bool) -> None:
        async def fail(_: Any) -> int:
            raise TryAgain

        async with serving(bus, Double, fail, restarts=restarts):
            with pytest.raises(TryAgain):
                await bus.request(Double(number=4), within=10)
            began = now()
            with pytest.raises(TryAgain):
                await bus.request(Double(number=4), within=10)
        assert (now() > began) == restarts

    async def test_nobody_listens_to_a_crash_after_the_deadline(self, bus: Bus) -> None:
        """The service crashes all the same, and no "exception was never retrieved" is left behind."""

        async def crash_when_cancelled(_: Double) -> int:
            try:
                await asyncio.sleep(1e9)
            finally:
                raise ValueError("a bug in cleaning up")

        async with supervised(bus, spec("server", answering(Double, crash_when_cancelled), answers=(Double,))) as house:
            with pytest.raises(DeadlineExceeded):
                await bus.request(Double(number=1), within=1)
            assert (await house.reaches("server", State.BACKOFF)).restarts == 1


class TestRestart:
    async def test_questions_wait_for_it(self, bus: Bus) -> None:
        starts = 0

        async def run(ctx: Context) -> None:
            nonlocal starts
            starts += 1
            if starts == 2:
                await asyncio.sleep(5)  # loads
            ctx.ready()
            if starts == 1:
                async with asyncio.timeout(1):
                    await ctx.answer(Double, double)
            await ctx.answer(Double, double)

        async with supervised(bus, spec("server", run, answers=(Double,))) as house:
            assert await bus.request(Double(number=1), within=1) == 2
            await house.reaches("server", State.BACKOFF)
            before = now()
            assert await bus.request(Double(number=2), within=30) == 4
            assert 5 < now() - before < 6

    async def test_questions_wait_for_the_first_start_too(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            await asyncio.sleep(5)  # loads
            ctx.ready()
            await ctx.answer(Double, double)

        async with supervised(bus, spec("server", run, answers=(Double,))):
            assert await bus.request(Double(number=2), within=30) == 4

    async def test_but_not_longer_than_they_may(self, bus: Bus) -> None:
        async with serving(bus, Double, double):
            pass
        with pytest.raises(DeadlineExceeded):
            await bus.request(Double(number=1), within=3)

    async def test_no_longer_once_it_is_gone_for_good(self, bus: Bus) -> None:
        async with serving(bus, Double, double):
            pass
        before = now()
        asking = asyncio.create_task(bus.request(Double(number=1), within=1000))
        await asyncio.sleep(1)
        bus.forget(Double)
        with pytest.raises(NoHandler):
            await asking
        assert now() - before == pytest.approx(1)
        with pytest.raises(NoHandler):
            await bus.request(Double(number=1), within=1000)

    async def test_nor_when_its_service_keeps_failing(self, bus: Bus) -> None:
        bus.expect(Double)
        before = now()
        asking = asyncio.create_task(bus.request(Double(number=1), within=1000))
        await asyncio.sleep(1)
        bus.report_down(Double, Refused("no model", hint="Get one."))
        for question in (asking, bus.request(Double(number=1), within=1000)):
            with pytest.raises(Refused) as caught:
                await question
            assert caught.value.line() == "no model. Get one. [test.refused]"
        assert now() - before == pytest.approx(1)
        async with serving(bus, Double, double):
            assert await bus.request(Double(number=2), within=1) == 4
        with pytest.raises(DeadlineExceeded):  # once it has served again, it is waited for again
            await bus.request(Double(number=2), within=1)


class TestStream:
    async def test_hands_over_every_item_in_order(self, bus: Bus) -> None:
        async def count(question: Count) -> AsyncGenerator[int, None]:
            for number in range(question.to):
                yield number

        async with serving(bus, Count, count):
            async with bus.stream(Count(to=100), within=1) as numbers:
                assert [number async for number in numbers] == list(range(100))

    async def test_slows_its_producer(self, bus: Bus) -> None:
        made = 0

        async def count(question: Count) -> AsyncGenerator[int, None]:
            nonlocal made
            for number in range(question.to):
                made += 1
                yield number

        async with serving(bus, Count, count):
            async with bus.stream(Count(to=1000), within=1) as numbers:
                for taken in range(100):
                    await asyncio.sleep(0.1)
                    assert made - taken <= STREAM_AHEAD + 1  # one more is in its hand
                    assert await anext(numbers) == taken

    async def test_leaving_cancels_the_producer(self, bus: Bus) -> None:
        closed = asyncio.Event()

        async def count(_: Count) -> AsyncGenerator[int, None]:
            try:
                while True:
                    yield 1
            finally:
                closed.set()

        async with serving(bus, Count, count) as handler:
            async with bus.stream(Count(to=0), within=1) as numbers:
                await anext(numbers)
            async with asyncio.timeout(1):
                await closed.wait()
            await asyncio.sleep(0.001)
            assert handler.in_flight == 0

    @pytest.mark.parametrize(("error", "seen"), [(Refused("no"), Refused), (ValueError("a bug"), HandlerCrashed)])
    async def test_an_error_comes_behind_the_items(self, bus: Bus, error: Exception, seen: type[SoloError]) -> None:
        async def count(question: Count) -> AsyncGenerator[int, None]:
            for number in range(question.to):
                yield number
            raise error

        got: list[int] = []
        async with supervised(bus, spec("server", answering(Count, count), answers=(Count,))) as house:
            await house.reaches("server", State.READY)
            with pytest.raises(seen):
                async with bus.stream(Count(to=5), within=1) as numbers:
                    await asyncio.sleep(1)  # the error is there before the first item is taken
                    async for number in numbers:
                        got.append(number)  # noqa: PERF401  # what came before the error counts
        assert got == [0, 1, 2, 3, 4]

    async def test_a_stall_is_noticed(self, bus: Bus) -> None:
        async def stall(_: Count) -> AsyncGenerator[int, None]:
            yield 1
            await asyncio.sleep(1e9)
            yield 2

        async with serving(bus, Count, stall):
            with pytest.raises(DeadlineExceeded, match="the next part of Count"):
                async with bus.stream(Count(to=2), within=3) as numbers:
                    assert await anext(numbers) == 1
                    before = now()
                    try:
                        await anext(numbers)
                    finally:
                        assert now() - before == pytest.approx(3)

    async def test_within_is_for_each_item_not_for_all(self, bus: Bus) -> None:
        async def slowly(question: Count) -> AsyncGenerator[int, None]:
            for number in range(question.to):
                await asyncio.sleep(2)
                yield number

        async with serving(bus, Count, slowly):
            async with bus.stream(Count(to=50), within=3) as numbers:
                assert [number async for number in numbers] == list(range(50))

    async def test_an_inherited_deadline_bounds_all_of_it(self, bus: Bus) -> None:
        async def slowly(_: Count) -> AsyncGenerator[int, None]:
            while True:
                await asyncio.sleep(2)
                yield 1

        async def read(_: Outer) -> str:
            async with bus.stream(Count(to=0), within=3) as numbers:
                async for _number in numbers:
                    pass
            return ""

        async with serving(bus, Count, slowly), serving(bus, Outer, read):
            before = now()
            with pytest.raises(DeadlineExceeded):
                await bus.request(Outer(), within=9)
            assert now() - before == pytest.approx(9)

    async def test_a_crash_of_the_consumer_cancels_the_producer(self, bus: Bus) -> None:
        async def count(_: Count) -> AsyncGenerator[int, None]:
            while True:
                yield 1

        async with serving(bus, Count, count) as handler:
            with pytest.raises(ValueError, match="consumer"):
                async with bus.stream(Count(to=0), within=1) as numbers:
                    async for _ in numbers:
                        raise ValueError("consumer")
            await asyncio.sleep(0.001)
            assert handler.in_flight == 0
