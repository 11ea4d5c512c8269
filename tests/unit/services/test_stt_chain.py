"""Several recognisers in order: who hears what, and what happens when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.messages.speech import DescribeTranscriber, Transcribe
from services.stt.chain import able
from services.stt.service import STTService
from solo.bus import Bus, Busy
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput
from solo.isolation.process import EngineSpec
from solo.supervision import Context, ServiceSpec, State
from tests.stubs.services import House, supervised


def told(name: str, **options: Any) -> EngineSpec:
    return EngineSpec("tests.stubs.stt_engines:Told", {"name": name, **options}, python_path=(".",))


@asynccontextmanager
async def hearing(bus: Bus, first: EngineSpec, *behind: EngineSpec) -> AsyncIterator[House]:
    answers = (Transcribe, DescribeTranscriber)
    spec = ServiceSpec(name="stt", make=lambda: STTService(first, behind), answers=answers)
    async with supervised(bus, spec) as house:
        yield house


async def heard(ctx: Context, order: str = "speech", **wishes: Any) -> str:
    found = await ctx.request(Transcribe(pcm=order.encode(), **wishes), within=20)
    return found.text


FIRST = told("first", offers=())
"""English, without wishes, and it obeys every order."""
SECOND = told("second", does=(), multilingual=True)
"""Hears everything."""


class TestChain:
    async def test_the_first_hears_what_it_can_and_the_second_is_not_started(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND) as house:
            assert await heard(ctx) == "first heard"
            assert await heard(ctx, language="en") == "first heard"
            state = house.state("stt").engine
            assert state is not None and state.engine == "first" and state.info["behind"] == []

    @pytest.mark.parametrize(
        "wish",
        [
            {"language": "de"},
            {"translate": True},
            {"prompt": "Siobhan"},
            {"temperature": 0.5},
            {"details": "segments"},
            {"details": "words"},
        ],
    )
    async def test_what_the_first_cannot_do_the_second_does(self, bus: Bus, ctx: Context, wish: dict[str, Any]) -> None:
        async with hearing(bus, FIRST, SECOND) as house:
            assert await heard(ctx, **wish) == "second heard"
            state = house.state("stt").engine
            assert state is not None and len(state.info["behind"]) == 1

    async def test_the_last_is_asked_although_it_cannot_and_says_so(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, told("second", does=("refuse",))):
            with pytest.raises(BadEngineInput, match="not this"):
                await heard(ctx, "refuse", language="de")

    async def test_one_engine_alone_is_given_every_wish(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST):
            assert await heard(ctx, language="de") == "first heard"

    async def test_bad_input_is_bad_for_all(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND):
            with pytest.raises(BadEngineInput):
                await heard(ctx, "refuse")

    @pytest.mark.parametrize("order", ["fail", "doubt", "silent", "die"])
    async def test_what_the_first_fails_at_the_second_answers(self, bus: Bus, ctx: Context, order: str) -> None:
        async with hearing(bus, FIRST, SECOND):
            assert await heard(ctx, order) == "second heard"

    async def test_the_second_answers_while_the_first_is_away(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND) as house:
            assert await heard(ctx, "die") == "second heard"
            degraded = await house.reaches("stt", State.DEGRADED)
            assert "another engine" in degraded.note
            await house.reaches("stt", State.READY)
            assert await heard(ctx) == "first heard"
            assert house.state("stt").restarts == 0

    async def test_a_first_that_cannot_start_leaves_a_service_that_hears(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, told("first", loads=False), SECOND) as house:
            assert await heard(ctx) == "second heard"
            await house.reaches("stt", State.DEGRADED)
            described = await ctx.request(DescribeTranscriber(), within=10)
            assert described.engine == "second" and described.multilingual

    async def test_alone_it_crashes_with_its_engine_and_comes_back(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, told("first", does=("die",))) as house:
            with pytest.raises(SoloError):
                await heard(ctx, "die")
            assert await heard(ctx) == "first heard"
            assert house.state("stt").restarts >= 1

    @pytest.mark.parametrize(("order", "text"), [("doubt", "first heard"), ("silent", "")])
    async def test_of_two_that_doubt_the_first_that_heard_anything_is_believed(
        self, bus: Bus, ctx: Context, order: str, text: str
    ) -> None:
        async with hearing(bus, FIRST, told("second", does=("doubt", "silent"))):
            assert await heard(ctx, order) == text

    async def test_when_all_fail_the_first_error_is_told(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, told("second", does=("fail",))):
            with pytest.raises(SoloError) as failed:
                await heard(ctx, "fail")
            assert failed.value.code == "engine.failed"

    async def test_it_is_described_by_the_first(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND):
            described = await ctx.request(DescribeTranscriber(), within=10)
            assert (described.name, described.engine, described.multilingual) == ("stub", "first", False)


class TestPartial:
    async def test_a_look_ahead_is_answered_by_the_first(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND) as house:
            await house.reaches("stt", State.READY)
            assert await heard(ctx, partial=True) == "first heard"

    async def test_words_to_expect_are_for_one_that_is_awake_and_can_use_them(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND) as house:
            await house.reaches("stt", State.READY)
            assert await heard(ctx, partial=True, prompt="okay nabu") == "first heard"
            assert await heard(ctx, prompt="okay nabu") == "second heard"
            assert await heard(ctx, partial=True, prompt="okay nabu") == "second heard"

    async def test_an_utterance_overtakes_a_look_ahead(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND):
            await heard(ctx)
            look = asyncio.create_task(heard(ctx, "work", partial=True))
            await asyncio.sleep(0)
            assert await heard(ctx) == "first heard"
            with pytest.raises(Busy):
                await look

    async def test_nobody_looks_ahead_while_an_utterance_is_heard(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND):
            await heard(ctx)
            whole = asyncio.create_task(heard(ctx, "work"))
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await heard(ctx, partial=True)
            whole.cancel()

    async def test_one_look_ahead_at_a_time(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND):
            await heard(ctx)
            look = asyncio.create_task(heard(ctx, "work", partial=True))
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await heard(ctx, partial=True)
            look.cancel()

    async def test_a_look_ahead_starts_no_engine(self, bus: Bus, ctx: Context) -> None:
        async with hearing(bus, FIRST, SECOND) as house:
            await heard(ctx)
            with pytest.raises(Busy):
                await heard(ctx, partial=True, language="de")
            state = house.state("stt").engine
            assert state is not None and state.info["behind"] == []


@pytest.mark.parametrize(
    ("info", "wish", "can"),
    [
        ({}, {}, True),
        ({}, {"language": "en"}, True),
        ({}, {"language": "fr"}, False),
        ({}, {"translate": True}, False),
        ({"multilingual": True}, {"language": "fr", "translate": True}, True),
        ({}, {"prompt": "a", "temperature": 0.1, "details": "words"}, True),
        ({"offers": []}, {}, True),
        ({"offers": []}, {"prompt": "a"}, False),
        ({"offers": ["prompt"]}, {"prompt": "a"}, True),
        ({"offers": ["prompt"]}, {"prompt": "a", "details": "words"}, False),
    ],
)
def test_who_is_able(info: dict[str, Any], wish: dict[str, Any], can: bool) -> None:
    assert able(info, Transcribe(pcm=b"", **wish)) is can
