"""What memory adds to a turn: told to the model, cited, in the receipt; never waited for long, never needed."""

from __future__ import annotations

import asyncio

import pytest

from services.conversation.recall import MOST_CHARS, WITHIN_S, told
from services.conversation.service import ConversationService, Tuned
from services.conversation.talks import Talks
from services.conversation.turn import exhaust
from services.messages.audio import UtteranceHeard, UtterancePaused
from services.messages.chats import Exchange
from services.messages.conversation import TurnFinished
from services.messages.facts import Fact
from services.messages.language import ChatMessage
from services.messages.memory import Hit, Place, Recall, Recollection
from solo.bus import Bus
from solo.errors import SoloError
from solo.storage import DatabaseTimeout, DatabaseUnavailable
from solo.supervision import Context, ServiceSpec
from tests.stubs.cast import POLICY, Cast, stage, turn

pytestmark = pytest.mark.virtual_time


class PromptTooLong(SoloError):
    code = "llm.prompt_too_long"


def fact(text: str) -> Fact:
    return Fact(id="f", text=text, subject="note", created_at="2026-01-01", updated_at="2026-01-01")


def hit(text: str, page: int | None = 3) -> Hit:
    place = Place(document="manual.pdf", page=page, offset=120)
    return Hit(text=text, score=0.8, collection="documents", source=place)


FOUND = Recollection(facts=(fact("The user's name is Anna."),), hits=(hit("The boiler holds 300 litres."),), ms=12.0)


async def found(_: Recall) -> Recollection:
    return FOUND


async def nothing(_: Recall) -> Recollection:
    return Recollection(ms=1.0)


def contents(messages: tuple[ChatMessage, ...]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


class TestUsed:
    async def test_it_stands_between_history_and_question(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, remembers=found)
        talks = Talks(300)
        talks.remember("anna", "family", "Hello?", "Hello.")
        async with stage(cast):
            await exhaust(turn(ctx, talks, speak_to=None).answer("How much does the boiler hold?"))
        (asked,) = cast.asked
        roles = [role for role, _ in contents(asked.messages)]
        assert roles == ["system", "user", "assistant", "system", "user"]
        memory = asked.messages[3].content
        assert "The user's name is Anna." in memory
        assert "[1] From manual.pdf, page 3: The boiler holds 300 litres." in memory
        assert cast.recalled[0].profile == "anna"

    async def test_the_summary_cites_and_has_the_receipt(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, remembers=found)
        async with stage(cast):
            await exhaust(turn(ctx).answer("How much does the boiler hold?"))
        summary = cast.summary
        (citation,) = summary.citations
        assert (citation.number, citation.source, citation.collection) == (1, FOUND.hits[0].source, "documents")
        assert (summary.memory.state, summary.memory.facts, summary.memory.passages) == ("used", 1, 1)
        assert summary.latency_ms.recalled is not None

    async def test_it_is_not_part_of_the_history(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, remembers=found)
        talks = Talks(300)
        async with stage(cast):
            await exhaust(turn(ctx, talks).answer("What?"))
        assert talks.history("anna", "family")[0].content == "What?"
        assert len(talks.history("anna", "family")) == 2

    async def test_nothing_that_fits_leaves_the_prompt_as_it_was(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, remembers=nothing)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert len(cast.asked[0].messages) == 2
        assert cast.summary.memory.state == "nothing"

    def test_what_is_too_much_is_left_out_and_counted(self) -> None:
        recalled = told(Recollection(facts=(fact("x" * (MOST_CHARS - 20)),), hits=(hit("y" * 100), hit("z" * 100))))
        assert (recalled.receipt.facts, recalled.receipt.passages, recalled.receipt.left_out) == (1, 0, 2)
        assert recalled.citations == ()

    async def test_a_model_with_too_little_room_is_asked_without_it(self, bus: Bus, ctx: Context) -> None:
        def too_long(attempt: int, token: int) -> None:
            if attempt == 1:
                raise PromptTooLong("too long")

        cast = Cast(bus, remembers=found, llm_fails=too_long)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert [len(asked.messages) for asked in cast.asked] == [3, 2]
        assert (cast.summary.outcome, cast.summary.memory.state) == ("answered", "left_out")
        assert cast.summary.memory.left_out == 2
        assert cast.summary.citations == ()


class TestAway:
    async def test_one_that_takes_too_long_is_not_waited_for(self, bus: Bus, ctx: Context) -> None:
        async def never(_: Recall) -> Recollection:
            await asyncio.Event().wait()
            raise AssertionError

        cast = Cast(bus, remembers=never)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        summary = cast.summary
        assert (summary.outcome, summary.memory.state, summary.memory.code) == ("answered", "late", "bus.deadline")
        assert summary.latency_ms.recalled == pytest.approx(WITHIN_S * 1000, abs=1)

    @pytest.mark.parametrize("error", [DatabaseUnavailable(), DatabaseTimeout()])
    async def test_one_that_fails_is_told_in_the_receipt(self, bus: Bus, ctx: Context, error: SoloError) -> None:
        async def fails(_: Recall) -> Recollection:
            raise error

        cast = Cast(bus, remembers=fails, store_fails=error)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        summary = cast.summary
        assert (summary.outcome, summary.memory.state, summary.memory.code) == ("answered", "failed", error.code)
        assert not summary.stored

    async def test_a_solo_without_memory_is_not_one_that_failed(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        assert (cast.summary.outcome, cast.summary.memory.state, cast.summary.stored) == ("answered", "off", False)


class TestKept:
    async def test_the_exchange_is_stored_before_the_turn_is_over(self, bus: Bus, ctx: Context) -> None:
        cast = Cast(bus, remembers=nothing)
        async with stage(cast):
            await exhaust(turn(ctx).answer("What?"))
        (stored,) = cast.stored
        assert (stored.profile, stored.talk, stored.heard, stored.said) == (
            "anna",
            "family",
            "What?",
            cast.summary.said,
        )
        assert cast.summary.stored
        assert stored.turn_id == cast.summary.turn_id

    async def test_a_talk_from_before_the_start_goes_on(self, bus: Bus, ctx: Context) -> None:
        before = Exchange(turn_id="1", talk="family", heard="Hello?", said="Hello.", at="2026-01-01T00:00:00+00:00")
        cast = Cast(bus, remembers=nothing, before=(before,))
        talks = Talks(300)
        async with stage(cast):
            await exhaust(turn(ctx, talks, speak_to=None).answer("What?"))
            await exhaust(turn(ctx, talks, speak_to=None).answer("And then?"))
        assert [content for _, content in contents(cast.asked[0].messages)] == [
            "Be brief.",
            "Hello?",
            "Hello.",
            "What?",
        ]
        assert len(cast.asked[1].messages) == 6


class TestEarly:
    async def test_memory_is_asked_while_the_speaker_pauses(self, bus: Bus) -> None:
        cast = Cast(bus, remembers=found)
        service = ServiceSpec(name="conversation", make=lambda: ConversationService(Tuned(POLICY), Talks(300)))
        async with stage(cast, service):
            await asyncio.sleep(0.01)
            bus.publish(
                UtterancePaused(
                    source="kitchen", talk="t", utterance="u", pause=1, pcm=b"", wake_word=None, speech_end=0.0
                )
            )
            await asyncio.sleep(0.5)
            assert len(cast.recalled) == 1
            now = asyncio.get_running_loop().time()
            heard = UtteranceHeard(
                source="kitchen",
                talk="t",
                utterance="u",
                pause=1,
                pcm=b"",
                wake_word=None,
                speech_end=now - 0.6,
                decided=now,
            )
            bus.publish(heard)
            while not cast.of(TurnFinished):
                await asyncio.sleep(0.05)
        assert len(cast.recalled) == len(cast.asked) == 1
        assert cast.summary.memory.state == "used"
