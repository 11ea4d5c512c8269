"""The same question, asked by several at once: one answer for all, whoever leaves and whatever fails."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from services.llm.responses import Responses
from services.llm.responses_shared import AHEAD
from services.messages.language import Complete, TextDelta
from solo.bus import DeadlineExceeded
from solo.bus.context import until
from solo.isolation.engine import EngineDied
from tests.stubs.answers import SAID, TOKEN_S, Model, ask, asked, end, responses

pytestmark = pytest.mark.virtual_time


async def first_words(cache: Responses, model: Model, count: int, question: Complete | None = None) -> list[str]:
    """Read so many parts, then leave."""
    words = []
    async with aclosing(cache.through(question or asked(), "tiny 1 2", model.answer)) as parts:
        async for part in parts:
            assert isinstance(part, TextDelta)
            words.append(part.text)
            if len(words) == count:
                break
    return words


async def test_one_answer_for_all_who_ask_meanwhile() -> None:
    cache, model = responses(), Model()
    async with cache.running():
        answers = await asyncio.gather(*(ask(cache, model) for _ in range(50)))
    assert model.asked == 1
    assert set(answers) == {(SAID, end())}
    state = await cache.state()
    assert (state.misses, state.shared, state.hits_memory) == (1, 49, 0)


async def test_who_comes_later_reads_from_the_beginning_and_then_as_it_comes() -> None:
    cache, model = responses(), Model()
    times: list[float] = []

    async def late() -> str:
        await asyncio.sleep(2.5 * TOKEN_S)
        words = []
        async for part in cache.through(asked(), "tiny 1 2", model.answer):
            times.append(round(asyncio.get_running_loop().time() - began, 3))
            words.append(part.text if isinstance(part, TextDelta) else "")
        return "".join(words)

    async with cache.running():
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(ask(cache, model), late())
    assert (answers[0][0], answers[1]) == (SAID, SAID)
    assert times == [0.25, 0.25, 0.3, 0.4, 0.4]


async def test_the_first_leaves_and_the_others_read_on() -> None:
    cache, model = responses(), Model()
    async with cache.running():
        first = asyncio.ensure_future(first_words(cache, model, 2))
        others = [asyncio.ensure_future(ask(cache, model)) for _ in range(3)]
        assert await first == ["Because", " it"]
        assert await asyncio.gather(*others) == [(SAID, end())] * 3
        assert await ask(cache, model) != (SAID, end())  # kept
    assert (model.asked, model.finished, model.left) == (1, 1, 0)


async def test_when_all_leave_the_model_is_left_and_the_next_one_asks_afresh() -> None:
    cache, model = responses(), Model()
    async with cache.running():
        await asyncio.gather(first_words(cache, model, 1), first_words(cache, model, 2))
        assert await ask(cache, model) == (SAID, end())
    assert (model.asked, model.finished, model.left) == (2, 1, 1)


@pytest.mark.parametrize("lanes", [("batch", "chat"), ("chat", "voice")])
async def test_nobody_waits_behind_a_lane_that_goes_last(lanes: tuple[str, str]) -> None:
    cache, model = responses(), Model()
    async with cache.running():
        questions = [asked(lane=lane, cached=True) for lane in lanes]
        await asyncio.gather(*(ask(cache, model, question) for question in questions))
    assert model.asked == 2


async def test_another_profile_does_not_read_along() -> None:
    cache, model = responses(), Model()
    async with cache.running():
        await asyncio.gather(*(ask(cache, model, asked(profile=name)) for name in ("anna", "ben")))
    assert model.asked == 2


class TestFails:
    async def test_before_a_word_the_others_ask_once_more_together(self) -> None:
        def dies(attempt: int, word: int) -> None:
            if attempt == 1:
                raise EngineDied("gone")

        cache, model = responses(), Model(fails=dies)
        async with cache.running():
            answers = await asyncio.gather(*(ask(cache, model) for _ in range(5)), return_exceptions=True)
        assert model.asked == 2
        assert isinstance(answers[0], EngineDied)
        assert answers[1:] == [(SAID, end())] * 4

    async def test_twice_all_hear_of_it(self) -> None:
        def dies(attempt: int, word: int) -> None:
            raise EngineDied("gone")

        cache, model = responses(), Model(fails=dies)
        async with cache.running():
            answers = await asyncio.gather(*(ask(cache, model) for _ in range(9)), return_exceptions=True)
        assert model.asked == 2
        assert all(isinstance(answer, EngineDied) for answer in answers)
        assert cache._under_way == {}

    async def test_in_the_middle_all_who_have_read_hear_of_it(self) -> None:
        def dies(attempt: int, word: int) -> None:
            if (attempt, word) == (1, 2):
                raise EngineDied("gone")

        cache, model = responses(), Model(fails=dies)
        async with cache.running():
            answers = await asyncio.gather(*(ask(cache, model) for _ in range(3)), return_exceptions=True)
            assert all(isinstance(answer, EngineDied) for answer in answers)
            assert model.asked == 1
            assert await ask(cache, model) == (SAID, end())

    async def test_a_bug_of_the_service_ends_it_as_it_would_without_a_cache(self) -> None:
        def bug(attempt: int, word: int) -> None:
            raise ZeroDivisionError

        cache, model = responses(), Model(fails=bug)
        with pytest.raises(BaseExceptionGroup) as raised:
            async with cache.running():
                await ask(cache, model)
        assert raised.group_contains(ZeroDivisionError)
        assert cache._under_way == {}
        async with cache.running():  # the service's next start
            assert await ask(cache, Model()) == (SAID, end())


async def test_a_deadline_of_the_first_is_not_the_answers() -> None:
    cache, model = responses(), Model()
    async with cache.running():

        async def hurried() -> None:
            with pytest.raises(DeadlineExceeded):
                async with until(asyncio.get_running_loop().time() + 1.5 * TOKEN_S, "it"):
                    await ask(cache, model)

        first = asyncio.ensure_future(hurried())
        await asyncio.sleep(0)
        assert await ask(cache, model) == (SAID, end())
        await first
    assert (model.asked, model.deadlines) == (1, [None])


async def test_the_model_is_not_far_ahead_of_its_fastest_reader() -> None:
    cache, model = responses(), Model(words=tuple(f"{number} " for number in range(50)))
    said: list[int] = []
    model.fails = lambda attempt, word: said.append(word)
    async with cache.running():
        async with aclosing(cache.through(asked(), "tiny 1 2", model.answer)) as slow:
            await anext(slow)
            await asyncio.sleep(100 * TOKEN_S)
            assert len(said) <= AHEAD + 2
            fast, _ = await ask(cache, model)
            assert len(fast.split()) == 50
            rest = [part async for part in slow]
            assert len(rest) == 50
    assert model.asked == 1


async def test_many_come_and_go_in_every_order() -> None:
    cache, model = responses(ttl_s=0.0), Model()
    async with cache.running():

        async def visit(number: int) -> None:
            await asyncio.sleep((number * 7 % 13) * TOKEN_S / 3)
            if number % 3:
                await first_words(cache, model, 1 + number % 4)
            else:
                assert await ask(cache, model) == (SAID, end())

        await asyncio.gather(*(visit(number) for number in range(200)))
        await asyncio.sleep(1)
        assert cache._under_way == {}
    assert model.asked == model.finished + model.left
