"""Memory is given out by bytes: never more than there is, never what somebody uses, never what the voice needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.admission import WAIT_S, Admission
from services.llm.failures import NoMemory
from services.llm.ledger import Ledger, Need
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.runners import MIB


def mib(size: int) -> Need:
    return Need(weights=size * MIB)


@dataclass
class Played:
    """A tenant that a test makes busy, pinned or old."""

    name: str
    house: House
    used_at: float = 0.0
    kept: bool = False
    busy: bool = False
    leaving: bool = False

    @property
    def evictable(self) -> bool:
        return not (self.kept or self.busy or self.leaving)

    def let_go(self) -> None:
        assert self.evictable, f"{self.name} was evicted"
        self.leaving = True
        self.house.evicted.append(self.name)
        asyncio.get_running_loop().call_later(0.5, self.gone)

    def gone(self) -> None:
        self.leaving = False
        self.house.tenants.pop(self.name, None)
        self.house.admission.release(self.name)


@dataclass
class House:
    ledger: Ledger
    tenants: dict[str, Played] = field(default_factory=dict)
    evicted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = Admission(self.ledger, lambda: iter(list(self.tenants.values())))

    async def load(self, name: str, need: Need, *, voice: bool = False, used_at: float = 0.0) -> Played:
        await self.admission.admit(name, need, voice=voice)
        tenant = self.tenants[name] = Played(name, self, used_at, kept=voice)
        return tenant


def house(budget: int = 1000) -> House:
    return House(Ledger(budget * MIB, {"stt": 100 * MIB}))


class TestCounting:
    def test_reserved_is_what_everybody_has(self) -> None:
        ledger = Ledger(1000, {"stt": 100, "tts": 50})
        assert ledger.reserve("a", Need(weights=300, kv=200, host_cache=50))
        assert not ledger.reserve("b", Need(weights=301))
        assert ledger.reserve("b", Need(weights=300))
        state = ledger.state()
        assert (state.budget_bytes, state.reserved_bytes, state.voice_bytes) == (1000, 1000, 150)
        assert [(entry.name, entry.kind, entry.bytes) for entry in state.entries] == [
            ("a", "weights", 300), ("a", "kv", 200), ("a", "host_cache", 50), ("b", "weights", 300),
            ("stt", "service", 100), ("tts", "service", 50),
        ]  # fmt: skip
        ledger.release("a")
        assert (ledger.of("a"), ledger.reserved) == (0, 450)

    def test_what_the_voice_needs_is_kept_while_it_is_away(self) -> None:
        ledger = Ledger(1000, {"stt": 100})
        ledger.keep_for_voice("dialog", Need(weights=400))
        assert ledger.free_for("other") == 500
        assert ledger.reserve("dialog", Need(weights=450))
        assert ledger.free_for("other") == 450
        ledger.release("dialog")
        assert ledger.free_for("other") == 450
        assert not ledger.reserve("other", Need(weights=451))
        assert ledger.state().voice_bytes == 550

    def test_another_model_may_become_the_voice(self) -> None:
        ledger = Ledger(1000, {})
        ledger.reserve("a", Need(weights=300))
        ledger.keep_for_voice("a", Need())
        assert ledger.state().voice_bytes == 300
        ledger.keep_for_voice("b", Need())
        assert ledger.free_for("c") == 700

    def test_one_that_needs_less_than_it_has_is_never_refused(self) -> None:
        ledger = Ledger(1000, {})
        ledger.reserve("a", Need(weights=900))
        ledger.keep_for_voice("dialog", Need(weights=500))
        assert ledger.free_for("a") == 500
        assert ledger.reserve("a", Need(weights=800))


@pytest.mark.virtual_time
class TestMakingRoom:
    async def test_the_one_not_used_for_longest_goes(self) -> None:
        one = house()
        await one.load("old", mib(300), used_at=1)
        await one.load("new", mib(300), used_at=2)
        await one.load("x", mib(400))
        assert one.evicted == ["old"]
        assert one.admission.evictions == 1

    async def test_as_many_as_it_takes_and_no_more(self) -> None:
        one = house()
        for number in range(3):
            await one.load(str(number), mib(300), used_at=number)
        await one.load("x", mib(600))
        assert one.evicted == ["0", "1"]

    async def test_nobody_is_evicted_in_vain(self) -> None:
        one = house()
        await one.load("idle", mib(300))
        busy = await one.load("busy", mib(600))
        busy.busy = True
        loading = asyncio.create_task(one.load("x", mib(800)))
        await asyncio.sleep(5)
        assert (one.evicted, loading.done()) == ([], False)
        busy.busy = False
        one.admission.changed()
        await loading
        assert sorted(one.evicted) == ["busy", "idle"]

    async def test_what_can_never_fit_is_refused_at_once_with_sizes(self) -> None:
        one = house()
        (await one.load("pinned", mib(500))).kept = True
        with pytest.raises(NoMemory, match=r"x needs 700 MiB .* of 1000 MiB for all models 400 MiB are free"):
            await one.load("x", mib(700))
        assert asyncio.get_running_loop().time() == pytest.approx(1_000_000)

    async def test_who_waits_for_busy_memory_does_not_wait_for_ever(self) -> None:
        one = house()
        (await one.load("busy", mib(900))).busy = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoMemory, match="others use it"):
            await one.load("x", mib(100))
        assert asyncio.get_running_loop().time() - began == pytest.approx(WAIT_S)

    async def test_first_come_first_served(self) -> None:
        one = house()
        busy = await one.load("busy", mib(800))
        busy.busy = True
        large = asyncio.create_task(one.load("large", mib(500)))
        await asyncio.sleep(0)
        small = asyncio.create_task(one.load("small", mib(50)))
        await asyncio.sleep(5)
        assert not small.done()  # it would fit, but is not let past for ever
        busy.busy = False
        one.admission.changed()
        await asyncio.gather(large, small)

    async def test_the_voice_waits_for_no_other_load(self) -> None:
        one = house()
        one.ledger.keep_for_voice("dialog", mib(200))
        (await one.load("busy", mib(700))).busy = True
        waiting = asyncio.create_task(one.load("x", mib(300)))
        await asyncio.sleep(1)
        await one.load("dialog", mib(200), voice=True)
        assert not waiting.done()
        waiting.cancel()

    async def test_who_leaves_the_queue_leaves_it_open(self) -> None:
        one = house()
        (await one.load("busy", mib(800))).busy = True
        waiting = asyncio.create_task(one.load("x", mib(500)))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait({waiting})
        await one.load("y", mib(100))


_STEP = st.one_of(
    st.tuples(st.just("load"), st.sampled_from("abcdef"), st.integers(1, 700)),
    st.tuples(st.just("grow"), st.sampled_from("abcdef"), st.integers(1, 900)),
    st.tuples(st.just("use"), st.sampled_from("abcdef"), st.booleans()),
    st.tuples(st.just("pin"), st.sampled_from("abcdef"), st.booleans()),
    st.tuples(st.just("end"), st.sampled_from("abcdef"), st.none()),
    st.tuples(st.just("voice"), st.just("v"), st.integers(1, 400)),
    st.tuples(st.just("pause"), st.none(), st.integers(0, 100)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_STEP, max_size=40))
def test_never_over_the_budget_and_never_the_wrong_one(steps: list[tuple[str, str, int]]) -> None:
    """`Played.let_go` fails for one that is busy, pinned or the voice's."""

    async def live() -> None:
        one = house()
        under_way: dict[str, asyncio.Task[object]] = {}
        failed: list[BaseException] = []

        async def load(name: str, need: Need, voice: bool) -> None:
            try:
                await one.load(name, need, voice=voice, used_at=asyncio.get_running_loop().time())
            except NoMemory:
                return

        async def grow(name: str, need: Need) -> None:
            try:
                await one.admission.grow(name, need)
            except NoMemory:
                return

        def check() -> None:
            assert one.ledger.reserved <= one.ledger.budget
            for name in list(under_way):
                if under_way[name].done():
                    failed.extend(filter(None, [under_way.pop(name).exception()]))

        for step, name, value in steps:
            there = one.tenants.get(name)
            free = name not in under_way
            if step == "load" and free and there is None:
                under_way[name] = asyncio.create_task(load(name, mib(value), False))
            elif step == "voice" and free and there is None:
                one.ledger.keep_for_voice("v", mib(value))
                under_way[name] = asyncio.create_task(load(name, mib(value), True))
            elif step == "grow" and free and there is not None and not there.leaving:
                there.busy = True  # it is being loaded
                task: asyncio.Task[object] = asyncio.create_task(grow(name, mib(value)))
                task.add_done_callback(lambda _, there=there: setattr(there, "busy", False))  # type: ignore[misc]
                under_way[name] = task
            elif step == "use" and free and there is not None and not there.leaving:
                there.busy = bool(value)
                there.used_at = asyncio.get_running_loop().time()
                one.admission.changed()
            elif step == "pin" and free and there is not None and not there.leaving:
                there.kept = bool(value)
                one.admission.changed()
            elif step == "end" and free and there is not None and not there.leaving:
                there.gone()
            elif step == "pause":
                await asyncio.sleep(value)
            await asyncio.sleep(0)
            check()
        await asyncio.sleep(10 * WAIT_S)
        check()
        assert not under_way
        assert not failed

    loop = VirtualTimeLoop()
    try:
        loop.run_until_complete(live())
    finally:
        loop.close()
