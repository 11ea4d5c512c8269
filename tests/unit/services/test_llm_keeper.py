"""A model's owner: loads once for all who wait, keeps what is used, lets go of what is not, brings back what died."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.llm.admission import Admission
from services.llm.failures import LLMBusy, ModelLoading, ModelUnloaded, NoMemory
from services.llm.keeper import Keeper
from services.llm.lanes import Lanes
from services.llm.ledger import Ledger, Need
from services.messages.pool import LoadState
from solo.isolation.engine import EngineDied, EngineNotStarted, ModelCorrupt
from tests.stubs.runners import MIB, PlayedModel

pytestmark = pytest.mark.virtual_time
LONG_S = 100.0


@dataclass
class Kept:
    keeper: Keeper
    model: PlayedModel
    ledger: Ledger
    states: list[LoadState] = field(default_factory=list)

    async def reaches(self, state: LoadState) -> None:
        async with asyncio.timeout(LONG_S):
            while self.keeper.state != state:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def kept(
    model: PlayedModel | None = None, *, keep_alive_s: float = 60.0, budget: int = 1000
) -> AsyncIterator[Kept]:
    model = model or PlayedModel()
    ledger = Ledger(budget * MIB, {})
    keepers: list[Keeper] = []
    admission = Admission(ledger, lambda: iter(keepers))
    states: list[LoadState] = []
    keeper = Keeper(
        model.name,
        model.plan,
        lanes=Lanes(model.name, at_once=2, queue=3, queue_s=30),
        admission=admission,
        rng=random.Random(1),
        keep_alive_s=keep_alive_s,
        on_change=lambda one: states.append(one.state),
    )
    keepers.append(keeper)
    owner = asyncio.create_task(keeper.run())
    yield Kept(keeper, model, ledger, states)
    owner.cancel()
    await asyncio.wait({owner})
    assert owner.cancelled()
    assert model.loads == model.ends or model.ends == model.loads - len(model.load_fails)
    assert ledger.reserved == 0


class TestLoad:
    async def test_nothing_is_loaded_before_it_is_wanted(self) -> None:
        async with kept() as one:
            await asyncio.sleep(10)
            assert (one.keeper.state, one.model.loads) == ("unloaded", 0)

    async def test_many_wait_for_one_load(self) -> None:
        async with kept() as one:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(3):
                    tasks.create_task(one.keeper.ready("chat", LONG_S))
            assert (one.keeper.state, one.model.loads) == ("ready", 1)
            assert one.states == ["loading", "ready"]
            assert one.ledger.reserved == 100 * MIB

    async def test_it_goes_on_when_who_waits_leaves(self) -> None:
        async with kept() as one:
            waiter = asyncio.create_task(one.keeper.ready("chat", LONG_S))
            await asyncio.sleep(0.5)
            waiter.cancel()
            await one.reaches("ready")
            assert one.model.loads == 1

    async def test_who_would_wait_long_is_told_and_may_come_back(self) -> None:
        async with kept(PlayedModel(load_s=20)) as one:
            with pytest.raises(ModelLoading, match="played is being loaded, for 5 s so far"):
                await one.keeper.ready("chat", 5)
            await one.keeper.ready("chat", 16)
            assert one.model.loads == 1

    async def test_no_more_than_the_queue_wait_for_it(self) -> None:
        async with kept() as one:
            waiters = [asyncio.create_task(one.keeper.ready("chat", LONG_S)) for _ in range(3)]
            await asyncio.sleep(0.1)
            with pytest.raises(LLMBusy):
                await one.keeper.ready("chat", LONG_S)
            waiters.append(asyncio.create_task(one.keeper.ready("voice", LONG_S)))
            await asyncio.gather(*waiters)
            assert one.keeper.lanes.refused == 1

    async def test_a_load_without_end_is_ended(self) -> None:
        async with kept(PlayedModel(load_s=1000, within_s=50)) as one:
            with pytest.raises(EngineNotStarted):
                await one.keeper.ready("chat", LONG_S)
            assert one.keeper.state == "failed"
            one.model.ends += 1  # it was never there

    async def test_bytes_are_corrected_by_what_it_tells(self) -> None:
        async with kept(PlayedModel(info={"bytes": {"weights": 150 * MIB, "kv": 50 * MIB}, "slots": 7})) as one:
            await one.keeper.ready("chat", LONG_S)
            assert one.ledger.reserved == 200 * MIB

    async def test_one_that_turns_out_too_large_is_refused(self) -> None:
        async with kept(PlayedModel(info={"bytes": {"weights": 2000 * MIB, "kv": 0}})) as one:
            with pytest.raises(NoMemory, match="played needs 2000 MiB"):
                await one.keeper.ready("chat", LONG_S)
            assert one.keeper.state == "failed"
            assert one.ledger.reserved == 0

    async def test_one_that_does_not_fit_is_not_begun(self) -> None:
        async with kept(PlayedModel(need=Need(weights=900 * MIB, kv=200 * MIB))) as one:
            with pytest.raises(NoMemory, match=r"needs 1100 MiB of memory \(900 MiB weights, 200 MiB KV cache"):
                await one.keeper.ready("chat", LONG_S)
            assert one.model.loads == 0


class TestFailed:
    async def test_a_pause_then_another_try(self) -> None:
        async with kept(PlayedModel(load_fails=[ModelCorrupt("bent")])) as one:
            one.model.ends += 1
            with pytest.raises(ModelCorrupt, match="bent"):
                await one.keeper.ready("chat", LONG_S)
            assert (one.keeper.state, one.keeper.error) == ("failed", "bent. [engine.model_corrupt]")
            with pytest.raises(ModelCorrupt, match="bent"):  # at once: it is not tried for everybody
                await one.keeper.ready("chat", LONG_S)
            assert one.model.loads == 1
            await asyncio.sleep(1)
            await one.keeper.ready("chat", LONG_S)
            assert (one.keeper.state, one.keeper.error, one.model.loads) == ("ready", "", 2)

    async def test_the_pauses_grow_while_it_is_always_wanted(self) -> None:
        async with kept(PlayedModel(load_s=0, load_fails=[ModelCorrupt("bent")] * 100)) as one:
            one.keeper.always = True
            one.keeper.look()
            await asyncio.sleep(60)
            assert 7 <= one.model.loads <= 10  # 0.2 s, 0.4 s, ... to 30 s
            one.model.ends = one.model.loads - len(one.model.load_fails)

    async def test_an_order_to_load_does_not_wait_for_the_pause(self) -> None:
        async with kept(PlayedModel(load_fails=[ModelCorrupt("bent")])) as one:
            one.model.ends += 1
            one.keeper.load()
            await one.reaches("failed")
            one.keeper.load()
            await asyncio.sleep(1.01)
            assert one.keeper.state == "ready"


class TestDeath:
    async def test_it_is_brought_back_while_it_is_wanted(self) -> None:
        async with kept() as one:
            one.keeper.always = True
            await one.keeper.ready("voice", LONG_S)
            one.model.die()
            await asyncio.sleep(0.01)
            assert one.keeper.state == "loading"
            assert "was ended by SIGKILL" in one.keeper.error
            await one.keeper.ready("voice", 2)
            assert (one.model.loads, one.keeper.error) == (2, "")

    async def test_nobody_wants_it_back(self) -> None:
        async with kept() as one:
            await one.keeper.ready("chat", LONG_S)
            one.model.die()
            await asyncio.sleep(60)
            assert (one.keeper.state, one.model.loads) == ("unloaded", 1)

    async def test_who_uses_it_hears_of_it_and_it_counts_once(self) -> None:
        async with kept() as one:
            await one.keeper.ready("chat", LONG_S)

            async def use() -> None:
                with one.keeper.using() as runner:
                    assert runner is not None
                    await asyncio.sleep(1)
                    raise EngineDied

            one.keeper.pinned = True
            users = [asyncio.create_task(use()) for _ in range(5)]
            await asyncio.sleep(1)
            one.model.die()
            await asyncio.wait(users)
            assert one.keeper.breaker.state == "closed"
            assert one.keeper.runner is None
            await one.reaches("ready")

    async def test_one_that_dies_again_and_again_is_loaded_ever_more_rarely(self) -> None:
        async with kept(PlayedModel(load_s=0)) as one:
            one.keeper.always = True
            one.keeper.look()
            for _ in range(6):
                await one.reaches("ready")
                one.model.die()
                await asyncio.sleep(0)
                await asyncio.sleep(0.02)
            began = asyncio.get_running_loop().time()
            await one.reaches("ready")
            assert asyncio.get_running_loop().time() - began > 4


class TestIdle:
    async def test_it_goes_when_nobody_has_asked_for_a_while(self) -> None:
        async with kept(keep_alive_s=60) as one:
            await one.keeper.ready("chat", LONG_S)
            await asyncio.sleep(59)
            assert one.keeper.state == "ready"
            await asyncio.sleep(2)
            assert (one.keeper.state, one.ledger.reserved, one.model.ends) == ("unloaded", 0, 1)

    async def test_every_use_begins_the_time_afresh(self) -> None:
        async with kept(keep_alive_s=60) as one:
            await one.keeper.ready("chat", LONG_S)
            for _ in range(5):
                await asyncio.sleep(50)
                with one.keeper.using() as runner:
                    assert runner is not None
            assert one.model.loads == 1

    async def test_it_stays_while_it_answers(self) -> None:
        async with kept(keep_alive_s=1) as one:
            await one.keeper.ready("chat", LONG_S)
            with one.keeper.using():
                await asyncio.sleep(1000)
                assert one.keeper.state == "ready"
            await one.reaches("unloaded")

    @pytest.mark.parametrize("kind", ["always", "pinned"])
    async def test_it_stays_when_it_is_kept(self, kind: str) -> None:
        async with kept(keep_alive_s=1) as one:
            setattr(one.keeper, kind, True)
            await one.keeper.ready("chat", LONG_S)
            await asyncio.sleep(1000)
            assert one.keeper.state == "ready"
            setattr(one.keeper, kind, False)
            one.keeper.look()
            await one.reaches("unloaded")

    @pytest.mark.parametrize("late_s", [-0.01, 0.0, 0.01])
    async def test_a_question_at_the_last_moment_is_answered(self, late_s: float) -> None:
        async with kept(keep_alive_s=60) as one:
            for _ in range(20):
                await one.keeper.ready("chat", LONG_S)
                with one.keeper.using() as runner:
                    assert runner is not None
                await asyncio.sleep(60 + late_s)
            assert one.model.loads == (1 if late_s < 0 else one.model.loads)

    async def test_at_once_where_it_is_not_kept_alive(self) -> None:
        async with kept(keep_alive_s=0) as one:
            await one.keeper.ready("chat", LONG_S)
            with one.keeper.using() as runner:
                assert runner is not None  # but whoever has waited for it gets it
            await one.reaches("unloaded")

    async def test_never(self) -> None:
        async with kept(keep_alive_s=-1) as one:
            await one.keeper.ready("chat", LONG_S)
            await asyncio.sleep(100_000)
            assert one.keeper.state == "ready"


class TestUnload:
    async def test_it_waits_for_what_is_being_answered(self) -> None:
        async with kept() as one:
            await one.keeper.ready("chat", LONG_S)
            with one.keeper.using():
                leaving = asyncio.create_task(one.keeper.unload())
                await asyncio.sleep(10)
                assert not leaving.done()
                assert one.model.ends == 0
                with one.keeper.using() as runner:
                    assert runner is None
                waiter = asyncio.create_task(one.keeper.ready("chat", LONG_S))
                await asyncio.sleep(1)
                assert not waiter.done()
            await leaving
            await waiter
            assert (one.keeper.state, one.model.loads) == ("ready", 2)

    async def test_a_load_is_called_off(self) -> None:
        async with kept(PlayedModel(load_s=30)) as one:
            waiter = asyncio.create_task(one.keeper.ready("chat", LONG_S))
            await asyncio.sleep(1)
            await one.keeper.unload()
            with pytest.raises(ModelUnloaded):
                await waiter
            assert one.keeper.state == "unloaded"
            one.model.ends += 1

    async def test_of_what_is_not_there(self) -> None:
        async with kept() as one:
            await one.keeper.unload()
            assert one.keeper.state == "unloaded"


async def test_an_error_without_a_name_ends_its_owner() -> None:
    async def broken() -> None:
        raise ValueError("a bug")

    keeper = Keeper(
        "x",
        broken,  # type: ignore[arg-type]
        lanes=Lanes("x", at_once=1, queue=1, queue_s=1),
        admission=Admission(Ledger(1, {}), lambda: ()),
        rng=random.Random(1),
        keep_alive_s=1,
    )
    keeper.load()
    with pytest.raises(ValueError, match="a bug"):
        await keeper.run()
