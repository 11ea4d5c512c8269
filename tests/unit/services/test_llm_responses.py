"""Kept answers without a database: given again, bounded, shared while they are made, handed over."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from services.llm.responses_kept import MOST_DELTAS, OVERHEAD_BYTES, from_text, to_text, worth_keeping
from services.messages.language import Sampling, TextDelta, TokenLogprob, ToolCall
from solo.isolation.engine import EngineDied
from solo.storage import DatabaseUnavailable
from tests.stubs.answers import RECEIPT, SAID, TOKEN_S, Model, ask, asked, end, responses

pytestmark = pytest.mark.virtual_time


class TestGivenAgain:
    async def test_the_same_answer_without_the_model(self) -> None:
        cache, model = responses(), Model()
        async with cache.running():
            first = await ask(cache, model)
            before = asyncio.get_running_loop().time()
            again = await ask(cache, model)
            assert asyncio.get_running_loop().time() == before
        assert model.asked == 1
        assert first == (SAID, end())
        expected = end(
            cached_tokens=9, prefill_s=0, decode_s=0, waited_s=0, from_cache=True,
            receipt=RECEIPT.model_copy(update={"cached": 9}),
        )  # fmt: skip
        assert again == (SAID, expected)
        state = await cache.state()
        assert (state.hits_memory, state.misses, state.memory_entries) == (1, 1, 1)

    async def test_in_a_few_deltas(self) -> None:
        cache, model = responses(), Model(words=tuple(f"{number} " for number in range(100)))
        async with cache.running():
            await ask(cache, model)
            parts = [part async for part in cache.through(asked(), "tiny 1 2", model.answer)]
        assert 1 < len(parts) <= MOST_DELTAS + 1

    async def test_logprobs_and_tool_calls_come_again(self) -> None:
        words = tuple(
            TextDelta(text=word, logprobs=(TokenLogprob(token=word, logprob=-0.5, top=((word, float("-inf")),)),))
            for word in "abcdefghijklmnopqrstuvwxyz"
        )
        called = end(tool_calls=(ToolCall(id="1", name="look", arguments='{"at": "\\u0000"}'),), finish="tool_calls")
        kept = worth_keeping([*words, called])
        assert kept is not None
        again = from_text(to_text(kept))
        assert again == kept
        assert [logprob for delta in again.deltas for logprob in delta.logprobs] == [
            logprob for word in words for logprob in word.logprobs
        ]
        assert again.end.tool_calls == called.tool_calls

    @pytest.mark.parametrize("other", [{"profile": "anna"}, {"max_tokens": 9}, {"prefix": "Be"}])
    async def test_another_question_is_asked(self, other: dict[str, Any]) -> None:
        cache, model = responses(), Model()
        async with cache.running():
            await ask(cache, model)
            await ask(cache, model, asked(**other))
        assert model.asked == 2

    async def test_a_changed_model_is_asked(self) -> None:
        cache, model = responses(), Model()
        async with cache.running():
            for name in ("tiny 1 2", "tiny 1 3"):
                async for _ in cache.through(asked(), name, model.answer):
                    pass
        assert model.asked == 2

    async def test_until_its_time_is_over(self) -> None:
        cache, model = responses(ttl_s=60.0), Model()
        async with cache.running():
            await ask(cache, model)
            await asyncio.sleep(59)
            await ask(cache, model)
            assert model.asked == 1
            await asyncio.sleep(1.1)
            await ask(cache, model)
        assert model.asked == 2

    @pytest.mark.parametrize(
        "model",
        [
            Model(end=end(finish="cancelled")),
            Model(words=()),
            Model(words=("", "")),
            Model(end=end(fallback="tiny is down")),
        ],
        ids=["cancelled", "nothing", "empty", "another model"],
    )
    async def test_never_one_that_is_not_worth_it(self, model: Model) -> None:
        cache = responses()
        async with cache.running():
            await ask(cache, model)
            await ask(cache, model)
        assert model.asked == 2
        assert (await cache.state()).memory_entries == 0

    async def test_never_one_that_failed_or_was_left(self) -> None:
        def dies(attempt: int, word: int) -> None:
            if word == 3 and attempt == 1:
                raise EngineDied("gone")

        cache, model = responses(), Model(fails=dies)
        async with cache.running():
            with pytest.raises(EngineDied):
                await ask(cache, model)
            async with aclosing(cache.through(asked(), "tiny 1 2", model.answer)) as parts:
                await anext(parts)
            await asyncio.sleep(1)
            assert (model.asked, model.left, model.finished) == (2, 1, 0)
            assert await ask(cache, model) == (SAID, end())

    @pytest.mark.parametrize("how", ["switched off", "not running", "not wanted"])
    async def test_not_at_all(self, how: str) -> None:
        cache, model = responses(enabled=how != "switched off"), Model()
        question = asked(sampling=Sampling(temperature=0.7)) if how == "not wanted" else asked()
        if how == "not running":
            await ask(cache, model, question)
            await ask(cache, model, question)
        else:
            async with cache.running():
                await ask(cache, model, question)
                await ask(cache, model, question)
        state = await cache.state()
        assert (model.asked, state.misses, state.memory_entries) == (2, 0, 0)


class TestBounded:
    async def test_the_one_not_used_for_longest_makes_room(self) -> None:
        model = Model()
        probe = responses()
        async with probe.running():
            await ask(probe, model)
        one = (await probe.state()).memory_bytes
        assert one > OVERHEAD_BYTES + len(SAID)
        cache = responses(memory_bytes=2 * one + one // 2)
        async with cache.running():
            for text in ("a", "b", "a", "c"):
                await ask(cache, model, asked(text))
            state = await cache.state()
            assert state.memory_entries == 2
            assert state.memory_bytes <= state.memory_limit_bytes
            before = model.asked
            await ask(cache, model, asked("a"))
            assert model.asked == before
            await ask(cache, model, asked("b"))
            assert model.asked == before + 1

    async def test_one_that_is_too_large_is_not_kept(self) -> None:
        cache, model = responses(memory_bytes=600), Model()
        async with cache.running():
            await ask(cache, model)
        state = await cache.state()
        assert (state.memory_entries, state.memory_bytes) == (0, 0)

    async def test_a_database_that_is_away_delays_nobody_and_costs_the_oldest_nothing(self) -> None:
        cache, model = responses(stored_bytes=10_000), Model()
        async with cache.running():
            began = asyncio.get_running_loop().time()
            await ask(cache, model)
            assert asyncio.get_running_loop().time() - began == pytest.approx(4 * TOKEN_S, abs=0.001)
            await asyncio.sleep(10)
            assert (await cache.state()).dropped == 1
            await ask(cache, model)
            await ask(cache, model, asked("More?"))
        state = await cache.state()
        assert (state.dropped, state.hits_memory, state.stored_entries, state.stored_bytes) == (2, 1, None, None)


class TestCleared:
    async def test_by_model_and_by_profile(self) -> None:
        cache, model = responses(), Model()
        database = cache._store
        database.clear = _nothing_stored  # type: ignore[method-assign]
        async with cache.running():
            for profile in ("owner", "anna"):
                await ask(cache, model, asked(profile=profile))
            assert await cache.clear("other", "") == 0
            assert await cache.clear("tiny", "anna") == 1
            await ask(cache, model)
            assert model.asked == 2
            assert await cache.clear("", "") == 1
            await ask(cache, model)
        assert model.asked == 3

    async def test_what_is_being_made_is_not_kept(self) -> None:
        cache, model = responses(), Model()
        cache._store.clear = _nothing_stored  # type: ignore[method-assign]
        async with cache.running():
            asking = asyncio.ensure_future(ask(cache, model))
            await asyncio.sleep(2.5 * TOKEN_S)
            await cache.clear("", "")
            assert await asking == (SAID, end())
        assert (await cache.state()).memory_entries == 0

    async def test_it_is_said_when_the_database_could_not(self) -> None:
        cache, model = responses(), Model()
        async with cache.running():
            await ask(cache, model)
            with pytest.raises(DatabaseUnavailable):
                await cache.clear("", "")
        assert (await cache.state()).memory_entries == 0


async def _nothing_stored(model: str, profile: str, known: list[bytes]) -> int:
    return 0
