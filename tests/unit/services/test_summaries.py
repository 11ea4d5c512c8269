"""What no longer fits a talk's prompt becomes a summary, in the background; nothing of it is lost without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest

from services.conversation.service import ConversationService, Tuned
from services.conversation.summaries import AGAIN_S, MOST_CHARS, MOST_SUMMARY_CHARS, WITHIN_S
from services.conversation.talks import MOST_EXCHANGES, STEP, Talks
from services.messages.conversation import Ask, TurnSummary
from services.messages.language import Complete
from solo.bus import Bus
from solo.isolation.engine import EngineDied
from solo.supervision import ServiceSpec, State
from tests.stubs.cast import ANSWER, POLICY, Cast, stage
from tests.stubs.services import House

pytestmark = pytest.mark.virtual_time

GOOD = "They spoke of Paris."
LONG = "Well. " * 30
"""A question longer than its summary."""


def saying(text: str, after: float = 1.0) -> Callable[[Complete], Awaitable[str]]:
    async def summarises(_: Complete) -> str:
        await asyncio.sleep(after)
        return text

    return summarises


def too_long(question: Complete) -> int:
    """Room for two exchanges; the others are dropped, in whole exchanges."""
    history = [message for message in question.messages[:-1] if message.role != "system"]
    return max(0, len(history) - 4)


def conversation(talks: Talks, when_full: Literal["trim", "summarise"] = "summarise") -> ServiceSpec:
    policy = replace(POLICY, when_full=when_full)
    return ServiceSpec(name="conversation", make=lambda: ConversationService(Tuned(policy), talks), answers=(Ask,))


async def ask(bus: Bus, text: str = LONG, *, profile: str = "anna", talk: str = "family") -> TurnSummary:
    async with bus.stream(Ask(text=text, talk=talk, profile=profile), within=200) as parts:
        found = [part.summary async for part in parts if part.summary is not None]
    return found[0]


async def settled(house: House) -> None:
    await house.reaches("conversation", State.READY)


class TestMade:
    async def test_in_the_background_and_then_in_the_prompt(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD), dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            turns = [await ask(bus) for _ in range(4)]
            receipts = [turn.receipt for turn in turns if turn.receipt is not None]
            assert [receipt.dropped_messages for receipt in receipts] == [0, 0, 0, 2]
            assert [receipt.summarised_messages for receipt in receipts] == [0, 0, 0, 0]
            assert (await ask(bus)).receipt is not None  # asked while the summary is being made
            await asyncio.sleep(2)
            told = (await ask(bus)).receipt
        assert told is not None
        assert (told.dropped_messages, told.summarised_messages) == (2, 4)
        last = cast.asked[-1].messages
        assert [message.role for message in last[:3]] == ["system", "system", "user"]
        assert last[1].content == f"Summary of this conversation so far: {GOOD}"
        assert len([message for message in last if message.role == "user"]) == 6 - 2

    async def test_how_it_is_asked_for(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD), dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            talks.remember("ben", "family", "secret?", "Secret.")
            for number in range(4):
                await ask(bus, f"{number}: {LONG}")
            await asyncio.sleep(2)
        (asked,) = cast.asked_to_summarise
        assert (asked.task, asked.lane, asked.profile, asked.cached) == ("summary", "batch", "anna", False)
        assert asked.sampling.temperature == 0
        text = asked.messages[-1].content
        assert [f"{number}: Well." in text for number in range(4)] == [True, True, False, False]
        assert "secret" not in "".join(message.content for message in asked.messages)

    async def test_the_prompt_keeps_its_beginning_between_two_summaries(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD), dropped=lambda _: 0), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for number in range(58):
                await ask(bus, f"{number}: {LONG}")
                await asyncio.sleep(2)
        beginnings = [question.messages[:3] for question in cast.asked[1:]]
        changes = sum(one != two for one, two in pairwise(beginnings))
        assert len(cast.asked_to_summarise) >= 3
        assert changes == len(cast.asked_to_summarise)
        told = (talks.find("anna", "family"), talks.absent("anna", "family"))
        assert told[0] is not None
        assert told[1].gone == 0  # a full talk is summarised before anything leaves it
        assert len(told[0].exchanges) + told[1].summarised // 2 == 58

    async def test_the_next_one_knows_the_one_before(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD), dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(8):
                await ask(bus)
                await asyncio.sleep(2)
        assert f"Earlier: {GOOD}" in cast.asked_to_summarise[1].messages[-1].content

    async def test_one_at_a_time_for_each_talk(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD, after=50), dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(8):
                await ask(bus)
            assert len(cast.asked_to_summarise) == 1
            for _ in range(8):
                await ask(bus, talk="other")
            assert len(cast.asked_to_summarise) == 2

    async def test_what_it_is_made_of_is_bounded(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD + " " + "x" * 5000 + "."), dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(5):
                await ask(bus, "word " * 3000)
            await asyncio.sleep(2)
        assert len(cast.asked_to_summarise[0].messages[-1].content) < MOST_CHARS + 200
        talk = talks.find("anna", "family")
        assert talk is not None
        assert talk.summary == GOOD  # whole sentences
        assert len(talk.summary) <= MOST_SUMMARY_CHARS


async def dies(_: Complete) -> str:
    raise EngineDied("gone")


class TestNotMade:
    @pytest.mark.parametrize(
        ("summarises", "after"),
        [
            (dies, 5),
            (saying(""), 5),
            (saying("no end"), 5),
            (saying("Longer. " * 200), 5),
            (saying(GOOD, after=2 * WITHIN_S), WITHIN_S),
        ],
        ids=["failed", "nothing", "no sentence", "no shorter", "too late"],
    )
    async def test_the_history_is_trimmed_as_it_would_be_and_says_so(
        self, bus: Bus, summarises: Callable[[Complete], Awaitable[str]], after: float
    ) -> None:
        cast, talks = Cast(bus, summarises=summarises, dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(4):
                await ask(bus, "Why?")
            await asyncio.sleep(after)
            told = (await ask(bus, "Why?")).receipt
            assert told is not None
            assert (told.dropped_messages, told.summarised_messages) == (4, 0)
            cast.summarises = saying("A.")
            await asyncio.sleep(AGAIN_S)
            await ask(bus, "Why?")
            await asyncio.sleep(2)
            told = (await ask(bus, "Why?")).receipt
            assert told is not None
            assert told.summarised_messages == 6
            assert house.state("conversation").restarts == 0

    async def test_after_a_failure_the_talk_is_left_alone_for_a_while(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=dies, dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(8):
                await ask(bus)
            assert len(cast.asked_to_summarise) == 1
            await asyncio.sleep(AGAIN_S)
            for _ in range(8):
                await ask(bus)
            assert len(cast.asked_to_summarise) == 2

    async def test_trimming_asks_for_none(self, bus: Bus) -> None:
        cast, talks = Cast(bus, dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks, "trim")) as house:
            await settled(house)
            for _ in range(MOST_EXCHANGES + 1):
                await ask(bus)
            told = (await ask(bus)).receipt
        assert cast.asked_to_summarise == []
        assert told is not None
        # What the engine had no room for, and what the talk itself had not.
        assert told.dropped_messages == 2 * (MOST_EXCHANGES + 1 - STEP) - 4 + 2 * STEP

    async def test_stopping_does_not_wait_for_it(self, bus: Bus) -> None:
        cast, talks = Cast(bus, summarises=saying(GOOD, after=WITHIN_S), dropped=too_long), Talks(10_000)
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(4):
                await ask(bus)
            await asyncio.sleep(0.1)
            assert len(cast.asked_to_summarise) == 1
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < WITHIN_S / 2

    async def test_a_talk_that_ended_meanwhile_gets_none(self, bus: Bus) -> None:
        cast, talks = (
            Cast(bus, summarises=saying(GOOD, after=50), dropped=too_long),
            Talks(20, lambda: time.monotonic()),
        )
        async with stage(cast, conversation(talks)) as house:
            await settled(house)
            for _ in range(4):
                await ask(bus)
            await asyncio.sleep(30)
            await ask(bus)
            await asyncio.sleep(60)
            assert [message.content for message in cast.asked[-1].messages] == ["Be brief.", LONG]
            talks.remember("anna", "family", "new?", "New.")
            assert [message.content for message in talks.history("anna", "family")] == ["new?", "New."]


async def test_an_answer_is_not_delayed(bus: Bus) -> None:
    cast, talks = Cast(bus, summarises=saying(GOOD, after=100), dropped=too_long), Talks(10_000)
    async with stage(cast, conversation(talks)) as house:
        await settled(house)
        took = []
        for _ in range(6):
            began = asyncio.get_running_loop().time()
            assert (await ask(bus)).said == ANSWER
            took.append(round(asyncio.get_running_loop().time() - began, 3))
    assert len(set(took)) == 1
