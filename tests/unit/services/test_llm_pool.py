"""The pool as its askers see it: roles, names, fallbacks, deaths, lanes, and what it tells of itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.llm.failures import (
    ModelInUse,
    NoMemory,
    NoVision,
    UnknownModel,
)
from services.llm.ledger import Need
from services.messages.language import ChatMessage, Complete, CountTokens, EmbedTexts, Prefill
from services.messages.models import ModelsChanged
from services.messages.pool import LoadModel, UnloadModel
from services.messages.responses import ClearCache, DescribeCache
from services.models.errors import ModelRefused
from solo.bus import Bus
from solo.isolation.engine import EngineError, ModelCorrupt, ModelMissing
from solo.supervision import State
from tests.stubs.llm_pool import PICTURE, SAID, pooled
from tests.stubs.runners import MIB, PlayedMaking, ask

pytestmark = pytest.mark.virtual_time


class TestStart:
    async def test_ready_when_who_speaks_can_be_answered(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, ready=False) as pool:
            await asyncio.sleep(0.5)
            assert pool.service.state is State.STARTING
            assert (await pool.loaded("small")).state == "loading"
            assert (await pool.role("dialog")).state == "loading"
            await pool.house.reaches("llm", State.READY)
            assert (await pool.pool()).status == "ok"
            assert pool.service.engine is not None
            assert (pool.service.engine.pid, pool.service.engine.model) == (1, "small")
            assert pool.changes == [("small", "loading"), ("small", "ready")]

    async def test_a_question_meanwhile_is_answered(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, ready=False) as pool:
            answer = await pool.complete()
            assert (answer.text, answer.end.model, answer.end.role) == (SAID, "small", "dialog")

    async def test_one_that_cannot_be_loaded_fails_the_service_and_is_named_to_askers(
        self, bus: Bus, tmp_path: Path
    ) -> None:
        making = PlayedMaking()
        making.model(load_fails=[ModelMissing("none.gguf is not there")] * 3)
        async with pooled(bus, tmp_path, ready=False, making=making) as pool:
            with pytest.raises(ModelMissing, match=r"none\.gguf"):
                await pool.complete()
            await pool.house.reaches("llm", State.BACKOFF)
            assert pool.service.last_error is not None
            assert pool.service.last_error.code == "engine.model_missing"
            await pool.house.reaches("llm", State.READY)
            assert (await pool.complete()).text == SAID

    async def test_another_model_takes_the_place_of_a_bad_one(self, bus: Bus, tmp_path: Path) -> None:
        making = PlayedMaking()
        making.model("large", load_fails=[ModelCorrupt("bent")] * 2)
        async with pooled(
            bus, tmp_path, ready=False, making=making, bound={"dialog": "large"}, listed=["large"]
        ) as pool:
            await pool.house.reaches("llm", State.DEGRADED)
            assert pool.service.note.startswith("small takes the place of large: bent")
            await pool.house.reaches("llm", State.READY)  # it is tried again and again
            assert (await pool.complete()).end.model == "large"


class TestNames:
    async def test_by_the_catalogue(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            for name in ("other", "Other.gguf", "OTHER"):
                answer = await pool.complete(model=name)
                assert (answer.text, answer.end.model, answer.end.role) == (SAID, "other", "")
            assert pool.played.found == ["other", "other"]  # for its name, and for its load
            assert pool.model("other").loads == 1

    @pytest.mark.parametrize("name", ["default", "small", "SMALL.gguf"])
    async def test_the_default_needs_no_catalogue(self, bus: Bus, tmp_path: Path, name: str) -> None:
        async with pooled(bus, tmp_path) as pool:
            assert (await pool.complete(model=name)).end.model == "small"
            assert pool.played.found == []
            assert pool.model().loads == 1

    @pytest.mark.parametrize("name", ["none", "http://host/v1#model", "/etc/passwd", "x" * 2000])
    async def test_an_unknown_one_is_said_before_anything_else(self, bus: Bus, tmp_path: Path, name: str) -> None:
        async with pooled(bus, tmp_path) as pool:
            with pytest.raises(UnknownModel):
                await pool.complete(model=name)
            assert [one.name for one in (await pool.pool()).models] == ["small"]

    async def test_one_in_quarantine_keeps_its_own_error(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, refused=["bad"]) as pool:
            with pytest.raises(ModelRefused):
                await pool.complete(model="bad")

    async def test_no_other_takes_the_place_of_one_that_was_named(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            pool.model("other", load_fails=[ModelCorrupt("bent")])
            with pytest.raises(ModelCorrupt):
                await pool.complete(model="other")

    async def test_a_server_is_asked_when_a_role_is_bound_to_it(self, bus: Bus, tmp_path: Path) -> None:
        url = "http://host:1/v1#m"
        async with pooled(bus, tmp_path, bound={"logic": url}) as pool:
            assert (await pool.complete(role="logic")).end.model == url
            assert (await pool.complete(model=url)).end.model == url
            assert (await pool.loaded(url)).state == "remote"
            assert (await pool.loaded(url)).bytes == 0

    async def test_one_whose_file_has_gone_is_forgotten(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            await pool.complete(model="other")
            pool.played.listed.clear()
            bus.publish(ModelsChanged(removed=("other", "small")))
            await asyncio.sleep(1)
            assert [one.name for one in (await pool.pool()).models] == ["small"]  # which a role is bound to
            assert pool.model("other").ends == 1
            with pytest.raises(UnknownModel):
                await pool.complete(model="other")


class TestRoles:
    async def test_tasks_choose_roles(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "thinker", "fast": "quick"}, listed=["thinker", "quick"]) as p:
            answers = [await p.complete(task=task) for task in ("draft", "polish", "summary")]
            assert [(answer.end.role, answer.end.model) for answer in answers] == [
                ("logic", "thinker"), ("dialog", "small"), ("fast", "quick"),
            ]  # fmt: skip
            assert [role.state for role in (await p.pool()).roles] == ["ok", "ok", "ok", "unbound"]

    async def test_pictures_are_for_the_model_of_vision_alone(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"vision": "http://host/v1#eye"}) as pool:
            assert (await pool.complete(PICTURE)).end.model == "http://host/v1#eye"
            pool.model("http://host/v1#eye").fails = [(0, EngineError("blind"))]
            with pytest.raises(EngineError):
                await pool.complete(PICTURE)
            with pytest.raises(NoVision):
                await pool.complete(PICTURE.model_copy(update={"model": "small"}))

    @pytest.mark.parametrize("question", [PICTURE, ask(task="caption"), ask(role="vision")])
    async def test_without_a_model_for_them_pictures_are_refused(
        self, bus: Bus, tmp_path: Path, question: Complete
    ) -> None:
        async with pooled(bus, tmp_path) as pool:
            with pytest.raises(NoVision):
                await pool.complete(question)
            assert pool.model().asked == []


class TestOrders:
    async def test_load_answers_at_once_and_goes_on(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            pool.model("other", load_s=30)
            assert (await bus.request(LoadModel(name="other", pin=True), within=1)).state == "unloaded"
            await asyncio.sleep(1)
            assert (await pool.loaded("other")).state == "loading"
            await asyncio.sleep(30)
            await asyncio.sleep(1000)
            one = await pool.loaded("other")
            assert (one.state, one.pinned) == ("ready", True)
            await bus.request(LoadModel(name="other", pin=False), within=1)
            await asyncio.sleep(61)
            assert (await pool.loaded("other")).state == "unloaded"

    async def test_a_load_is_not_bound_to_the_time_of_whoever_asked_for_it_first(
        self, bus: Bus, tmp_path: Path
    ) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            for _ in range(2):
                await bus.request(LoadModel(name="other"), within=1)
                await asyncio.sleep(10)
                assert (await pool.loaded("other")).state == "ready"
                await bus.request(UnloadModel(name="other"), within=30)

    async def test_unload(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            await bus.request(LoadModel(name="other", pin=True), within=1)
            asking = asyncio.create_task(pool.complete(model="other"))
            await asyncio.sleep(1.5)
            answered = await bus.request(UnloadModel(name="other"), within=30)
            assert (answered.state, answered.pinned, answered.bytes) == ("unloaded", False, 0)
            assert (await asking).text == SAID

    async def test_the_model_of_dialog_stays(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            with pytest.raises(ModelInUse):
                await bus.request(UnloadModel(name="small"), within=1)
            await asyncio.sleep(10_000)
            assert (await pool.loaded("small")).state == "ready"

    @pytest.mark.parametrize("order", [LoadModel(name="none"), UnloadModel(name="none")])
    async def test_of_what_nobody_knows(self, bus: Bus, tmp_path: Path, order: LoadModel | UnloadModel) -> None:
        async with pooled(bus, tmp_path):
            with pytest.raises(UnknownModel):
                await bus.request(order, within=1)


class TestMemory:
    async def test_the_one_not_used_for_longest_makes_room(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["a", "b", "c"]) as pool:
            for name in "abc":
                pool.model(name, need=Need(weights=350 * MIB))
            for name in ("a", "b", "a"):
                await pool.complete(model=name)
            await pool.complete(model="c")
            states = {model.name: model.state for model in (await pool.pool()).models}
            assert states == {"small": "ready", "a": "ready", "b": "unloaded", "c": "ready"}
            state = await pool.pool()
            assert (state.evictions, state.ledger.reserved_bytes) == (1, 900 * MIB)
            assert state.ledger.voice_bytes == 200 * MIB

    async def test_what_does_not_fit_beside_the_voice_is_refused_or_answered_by_another(
        self, bus: Bus, tmp_path: Path
    ) -> None:
        async with pooled(bus, tmp_path, bound={"logic": "huge"}, listed=["huge"]) as pool:
            pool.model("huge", need=Need(weights=850 * MIB))
            with pytest.raises(NoMemory, match=r"huge needs 850 MiB .* 800 MiB are free for it"):
                await pool.complete(model="huge")
            answer = await pool.complete(role="logic")
            assert (answer.end.model, "llm.no_memory" in answer.end.fallback) == ("small", True)

    async def test_its_place_is_kept_while_the_model_of_dialog_is_away(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, listed=["other"]) as pool:
            pool.model("other", need=Need(weights=850 * MIB))
            pool.model().die()
            with pytest.raises(NoMemory):
                await pool.complete(model="other")
            await pool.house.reaches("llm", State.READY)


class TestOtherQuestions:
    async def test_prefill_only_where_it_helps(self, bus: Bus, tmp_path: Path) -> None:
        prompt = (ChatMessage(role="system", content="Be brief."),)
        async with pooled(bus, tmp_path, ready=False) as pool:
            assert await bus.request(Prefill(messages=prompt), within=10) == 0
            await pool.house.reaches("llm", State.READY)
            assert await bus.request(Prefill(messages=prompt), within=10) == 7

    async def test_counting_and_embedding(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path, bound={"fast": "quick"}, listed=["quick"]) as pool:
            asked = CountTokens(messages=(ChatMessage(role="user", content="x"),))
            assert (await bus.request(asked, within=10)).tokens == 5
            assert (await bus.request(EmbedTexts(texts=("a", "b")), within=10)).model == "quick"
            assert (await bus.request(EmbedTexts(texts=("a",), model="small"), within=10)).model == "small"
            assert len(pool.model("quick").asked) == 1

    async def test_the_cache(self, bus: Bus, tmp_path: Path) -> None:
        async with pooled(bus, tmp_path) as pool:
            assert not (await bus.request(DescribeCache(), within=1)).enabled
            assert await bus.request(ClearCache(model="m", profile="p"), within=1) == 3
            assert pool.played.cache.cleared == ("m", "p")


async def test_what_is_being_answered_is_answered_when_solo_stops(bus: Bus, tmp_path: Path) -> None:
    async with pooled(bus, tmp_path) as pool:
        asking = asyncio.create_task(pool.complete())
        await asyncio.sleep(0.15)
    assert (await asking).text == SAID
    assert pool.model().ends == 1
