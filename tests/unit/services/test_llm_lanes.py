"""Who is answered at once and who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.llm.failures import LLMBusy
from services.llm.lanes import VOICES, Lanes
from services.messages.language import Lane

pytestmark = pytest.mark.virtual_time


def lanes(at_once: int = 2, queue: int = 3, queue_s: float = 60) -> Lanes:
    return Lanes("m", at_once=at_once, queue=queue, queue_s=queue_s)


class Crowd:
    """Askers that hold their place for a second each, and write down when they got it."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.order: list[str] = []
        self.waited: dict[str, float] = {}
        self.here = 0
        self.most = 0

    async def ask(self, who: str, lane: Lane = "chat") -> None:
        async with self.lanes.place(lane) as waited:
            self.order.append(who)
            self.waited[who] = waited
            self.here += 1
            self.most = max(self.most, self.here)
            await asyncio.sleep(1)
            self.here -= 1


@asynccontextmanager
async def asking(crowd: Crowd, *askers: tuple[str, Lane]) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    tasks = {}
    for who, lane in askers:
        tasks[who] = asyncio.create_task(crowd.ask(who, lane))
        await asyncio.sleep(0.001)
    yield tasks
    await asyncio.wait(tasks.values())


async def test_as_many_as_there_are_slots_and_first_come_first_served() -> None:
    crowd = Crowd(lanes())
    async with asking(crowd, *((str(number), "chat") for number in range(5))):
        assert (crowd.here, crowd.lanes.waiting) == (2, 3)
    assert (crowd.order, crowd.most) == (["0", "1", "2", "3", "4"], 2)
    assert crowd.waited["0"] == 0
    assert crowd.waited["4"] == pytest.approx(2, abs=0.01)
    assert crowd.lanes.waiting == 0


async def test_chat_goes_before_batch() -> None:
    crowd = Crowd(lanes(at_once=1))
    async with asking(crowd, ("first", "batch"), ("b1", "batch"), ("b2", "batch"), ("c1", "chat"), ("c2", "chat")):
        pass
    assert crowd.order == ["first", "c1", "c2", "b1", "b2"]


async def test_a_spoken_question_waits_for_nobody() -> None:
    crowd = Crowd(lanes(at_once=1))
    async with asking(crowd, ("b", "batch"), ("c", "chat"), ("v1", "voice"), ("v2", "voice")):
        assert crowd.order == ["b", "v1", "v2"]
    assert crowd.waited["v1"] == crowd.waited["v2"] == 0


async def test_a_full_queue_is_said_and_counted() -> None:
    crowd = Crowd(lanes())
    async with asking(crowd, *((str(number), "chat") for number in range(5))):
        with pytest.raises(LLMBusy, match="3 questions of the lane chat already wait"):
            await crowd.ask("x")
        assert crowd.lanes.refused == 1
        async with asking(crowd, ("b", "batch"), ("v", "voice")):  # the other lanes are no fuller for it
            assert "v" in crowd.order


async def test_so_many_voices_at_once_are_a_fault() -> None:
    crowd = Crowd(lanes())
    async with asking(crowd, *((str(number), "voice") for number in range(VOICES))):
        with pytest.raises(LLMBusy):
            await crowd.ask("x", "voice")


async def test_nobody_waits_for_ever() -> None:
    crowd = Crowd(lanes(at_once=1, queue_s=0.5))
    async with asking(crowd, ("a", "chat")):
        with pytest.raises(LLMBusy, match=r"waited for 0\.5 s"):
            await crowd.ask("b")
        assert crowd.lanes.waiting == 0
    await crowd.ask("c")
    assert crowd.order == ["a", "c"]


async def test_who_leaves_the_queue_is_not_waited_for() -> None:
    crowd = Crowd(lanes(at_once=1))
    async with asking(crowd, ("a", "chat"), ("b", "chat"), ("c", "chat")) as tasks:
        tasks["b"].cancel()
        await asyncio.sleep(0)
        assert crowd.lanes.waiting == 1
    assert crowd.order == ["a", "c"]


async def test_a_place_given_to_somebody_who_leaves_in_that_moment_is_not_lost() -> None:
    crowd = Crowd(lanes(at_once=1))
    holding = asyncio.Event()

    async def hold() -> None:
        async with crowd.lanes.place("chat"):
            await holding.wait()

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    leaver = asyncio.create_task(crowd.ask("leaver"))
    await asyncio.sleep(0)
    holding.set()
    await asyncio.sleep(0)  # the holder goes, and the place is the leaver's
    leaver.cancel()
    await asyncio.wait({holder, leaver})
    await crowd.ask("next")
    assert crowd.order in (["next"], ["leaver", "next"])


async def test_the_engine_may_take_more_than_was_thought() -> None:
    crowd = Crowd(lanes(at_once=1))
    async with asking(crowd, *((str(number), "chat") for number in range(4))):
        crowd.lanes.resize(3)
        await asyncio.sleep(0)
        assert crowd.here == 3
    assert crowd.most == 3


async def test_who_waits_for_the_model_itself_is_counted_too() -> None:
    one = lanes(queue=2)
    with one.attached("chat"), one.attached("chat"), one.attached("batch"):
        assert one.waiting == 3
        with pytest.raises(LLMBusy), one.attached("chat"):
            pass
        with one.attached("voice"):
            assert one.waiting == 4
    assert one.waiting == 0
