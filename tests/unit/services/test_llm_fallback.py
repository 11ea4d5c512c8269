"""Who answers when a model fails, dies, is away or is full; and who is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.llm.failures import (
    LLMBusy,
    ModelLoading,
    ModelUnavailable,
    UnknownModel,
)
from services.messages.language import TextDelta
from services.messages.pool import QuestionAnswered
from solo.bus import Bus, Overflow
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput, EngineDied, EngineError, InputQuarantined, ModelMissing
from solo.supervision import State
from tests.stubs.llm_pool import SAID, pooled
from tests.stubs.runners import PlayedMaking, ask

pytestmark = pytest.mark.virtual_time


class TestFallback:
    @pytest.mark.parametrize("error", [EngineError("no"), SoloError("no")])
    async def test_another_answers_and_says_why(self, bus: Bus, tmp_path: Path, error: SoloError) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            pool.model("thinker").fails = [(0, error)]
            answer = await pool.complete(role="logic")
            assert (answer.text, answer.end.model, answer.end.role) == (SAID, "small", "dialog")
            assert answer.end.fallback == f"thinker: no. [{error.code}]"
            assert (await pool.complete(role="logic")).end.fallback == ""

    async def test_who_has_begun_to_speak_is_not_replaced(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            pool.model("thinker").fails = [(2, EngineError("no"))]
            with pytest.raises(EngineError):
                await pool.complete(role="logic")
            assert pool.model().asked == []

    async def test_a_bad_question_is_nobody_elses(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            for _ in range(5):
                pool.model("thinker").fails = [(0, BadEngineInput("no"))]
                with pytest.raises(BadEngineInput):
                    await pool.complete(role="logic")
            assert pool.model().asked == []
            assert (await pool.loaded("thinker")).breaker == "closed"

    async def test_what_one_engine_does_not_survive_another_may(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            for _ in range(5):
                pool.model("thinker").fails = [(0, InputQuarantined())]
                assert (await pool.complete(role="logic")).end.model == "small"
            assert (await pool.loaded("thinker")).breaker == "closed"

    async def test_one_that_keeps_failing_is_left_alone_and_comes_back(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            thinker = pool.model("thinker")
            thinker.fails = [(0, EngineError("no"))] * 3
            for _ in range(3):
                await pool.complete(role="logic")
            assert (await pool.loaded("thinker")).breaker == "open"
            role = await pool.role("logic")
            assert (role.state, role.answering, (await pool.pool()).status) == ("fallback", "small", "degraded")
            answer = await pool.complete(role="logic")
            assert "left alone" in answer.end.fallback
            assert len(thinker.asked) == 3
            with pytest.raises(ModelUnavailable):
                await pool.complete(model="thinker")
            await asyncio.sleep(3)
            assert (await pool.loaded("thinker")).breaker == "half_open"
            assert (await pool.complete(role="logic")).end.model == "thinker"
            assert ((await pool.role("logic")).state, (await pool.pool()).status) == ("ok", "ok")

    async def test_one_that_loads_for_long_is_not_waited_for_where_another_is_there(
        self, bus: Bus, tmp_path: Path
    ) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            pool.model("thinker", load_s=40)
            began = asyncio.get_running_loop().time()
            answer = await pool.complete(role="logic")
            assert (answer.end.model, answer.end.fallback[:28]) == ("small", "thinker: thinker is being lo")
            assert asyncio.get_running_loop().time() - began == pytest.approx(15.5, abs=0.2)
            with pytest.raises(ModelLoading):
                await pool.complete(model="thinker")
            await asyncio.sleep(15)
            assert (await pool.complete(role="logic")).end.model == "thinker"

    async def test_a_server_that_is_away_has_a_model_here_in_its_place(self, bus: Bus, tmp_path: Path) -> None:
        url = "http://host/v1#m"
        making = PlayedMaking()
        making.model(url, load_fails=[ModelMissing("away")] * 30)
        async with pooled(bus, tmp_path, ready=False, making=making, bound={"dialog": url}) as pool:
            await pool.house.reaches("llm", State.DEGRADED)
            answer = await pool.complete(lane="voice")
            assert (answer.end.model, answer.end.role) == ("small", "fast")
            assert (await pool.role("dialog")).answering == "small"
            assert (await pool.pool()).status == "degraded"


class TestDeath:
    async def test_before_the_first_word_it_is_asked_again(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            asking = asyncio.create_task(pool.complete())
            await asyncio.sleep(0.05)
            pool.model().die()
            answer = await asking
            assert (answer.text, answer.end.fallback) == (SAID, "")
            assert pool.model().loads == 2

    async def test_in_the_middle_the_asker_hears_of_it_and_solo_is_degraded_until_it_is_back(
        self, bus: Bus, tmp_path: Path
    ) -> None:
        async with pooled(bus, tmp_path) as pool:
            heard: list[str] = []

            async def listen() -> None:
                async with bus.stream(ask(), within=10) as parts:
                    async for part in parts:
                        assert isinstance(part, TextDelta)
                        heard.append(part.text)
                        if len(heard) == 2:
                            pool.model().die()

            with pytest.raises(EngineDied):
                await listen()
            assert heard == ["One", " two"]
            await pool.house.reaches("llm", State.DEGRADED)
            assert "is being loaded" in pool.service.note
            await pool.house.reaches("llm", State.READY)
            assert pool.service.restarts == 0
            assert pool.service.engine is not None
            assert pool.service.engine.pid == 2

    async def test_while_nobody_asks(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            pool.model().die()
            await pool.house.reaches("llm", State.DEGRADED)
            assert pool.service.engine is None
            await pool.house.reaches("llm", State.READY)
            assert (await pool.loaded("small")).pid == 2
            assert (await pool.loaded("small")).breaker == "closed"

    async def test_all_who_were_being_answered_are_answered_one_after_the_other(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, making=PlayedMaking(slots=4)) as pool:
            asking = [asyncio.create_task(pool.complete()) for _ in range(4)]
            await asyncio.sleep(0.05)
            assert pool.model().under_way == 4
            pool.model().die()
            while pool.model().loads < 2 or not pool.model().under_way:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert pool.model().under_way == 1  # the next one comes when this one has got its first word
            assert [(await answer).text for answer in asking] == [SAID] * 4

    async def test_a_question_that_ends_it_twice_gets_the_death(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            pool.model().fails = [(0, EngineDied("poison")), (0, EngineDied("poison"))]
            with pytest.raises(EngineDied, match="poison"):
                await pool.complete()
            assert len(pool.model().asked) == 2


class TestLanes:
    async def test_so_many_at_once_then_a_queue_then_refused(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            asking = [asyncio.create_task(pool.complete()) for _ in range(5)]
            await asyncio.sleep(0.01)
            one = await pool.loaded("small")
            assert (one.busy, one.waiting) == (2, 3)
            with pytest.raises(LLMBusy):
                await pool.complete()
            spoken = await pool.complete(lane="voice")
            assert spoken.end.waited_s == 0
            waited = [(await answer).end.waited_s for answer in asking]
            assert waited[:2] == [0, 0]
            assert waited[4] == pytest.approx(1.0, abs=0.1)
            assert pool.model().most_under_way == 3

    async def test_a_full_model_does_not_fill_the_next_one(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
            await pool.complete(role="logic")
            asking = [asyncio.create_task(pool.complete(role="logic")) for _ in range(5)]
            await asyncio.sleep(0.01)
            with pytest.raises(LLMBusy):
                await pool.complete(role="logic")
            assert pool.model().asked == []
            await asyncio.gather(*asking)

    async def test_thirty_two_streams(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, making=PlayedMaking(slots=32)) as pool:
            answers = await asyncio.gather(*(pool.complete() for _ in range(32)))
            assert {answer.text for answer in answers} == {SAID}
            assert pool.model().most_under_way == 32

    async def test_who_leaves_is_not_worked_for(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            asking = [asyncio.create_task(pool.complete()) for _ in range(5)]
            await asyncio.sleep(0.15)
            for task in asking[:4]:
                task.cancel()
            await asyncio.sleep(0.001)
            assert pool.model().under_way == 1
            assert (await asking[4]).text == SAID
            one = await pool.loaded("small")
            assert (one.busy, one.waiting) == (0, 0)


async def test_every_question_is_counted(bus: Bus, tmp_path: Path) -> None:
    counted: list[QuestionAnswered] = []

    async def count() -> None:
        async with bus.subscribe(QuestionAnswered, limit=100, overflow=Overflow.FAIL) as facts:
            async for fact in facts:
                counted.append(fact)  # noqa: PERF401  # it is cancelled in the middle

    counting = asyncio.create_task(count())
    async with pooled(bus, tmp_path, bound={"logic": "thinker"}, listed=["thinker"]) as pool:
        pool.model("thinker").fails = [(0, EngineError("no"))]
        await pool.complete(role="logic", lane="batch")
        with pytest.raises(UnknownModel):
            await pool.complete(model="none")
        async with bus.stream(ask(lane="voice"), within=10) as parts:
            async for _ in parts:
                break
        await asyncio.sleep(0.1)
    counting.cancel()
    assert [(one.lane, one.outcome, one.code, one.model, one.role, one.fell_back) for one in counted] == [
        ("batch", "answered", "", "small", "dialog", True),
        ("chat", "failed", "llm.unknown_model", "", "", False),
        ("voice", "cancelled", "", "", "", False),
    ]
    assert counted[0].tokens == 4
    assert counted[2].first_token_s == pytest.approx(0.1)
