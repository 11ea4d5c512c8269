"""What skills do besides timers: volume, the clock, sums, memory."""

from __future__ import annotations

from typing import Any

import pytest

from services.messages.facts import Fact, ListFacts, Remember
from services.messages.memory import Forget, Forgotten
from services.messages.playback import SetVolume
from services.messages.timers import CancelTimer, ListTimers
from services.skills.arithmetic import NoSum, SumImpossible, evaluate
from solo.bus import Bus
from solo.supervision import ServiceSpec
from tests.stubs.services import answering, spec
from tests.stubs.skills_house import skills_house

pytestmark = pytest.mark.virtual_time


class Loudspeaker:
    def __init__(self) -> None:
        self.volume = 0.5

    async def set(self, question: SetVolume) -> float:
        self.volume = question.volume if question.volume is not None else self.volume + question.change
        self.volume = min(1.0, max(0.0, self.volume))
        return self.volume

    def spec(self) -> ServiceSpec:
        return spec("loudspeaker", answering(SetVolume, self.set), answers=(SetVolume,))


async def test_volume(bus: Bus) -> None:
    loudspeaker = Loudspeaker()
    async with skills_house(bus, others=[loudspeaker.spec()]) as house:
        assert (await house.say("Louder")).say == "Volume 65 percent."
        assert (await house.say("Set the volume to 3")).say == "Volume 30 percent."
        assert (await house.say("Mute")).say == ""
        assert loudspeaker.volume == 0
        assert (await house.say("Unmute")).say == "Volume 30 percent."
        assert (await house.say("Full volume")).say == "Volume 100 percent."
        assert (await house.say("Louder")).say == "That's as loud as it goes."
        assert (await house.say("Louder", source="text")).say == "I can only change the volume where I speak."
        assert (await house.say("What's the volume?")).say == "The volume is at 100 percent."


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("What time is it?", "It's one o'clock in the afternoon."),
        ("What time is it in Tokyo?", "In Tokyo it's nine o'clock in the evening."),
        ("What's the date?", "It's Monday, the twenty-fourth of November 2025."),
        ("What day is it?", "It's Monday."),
        ("What day is tomorrow?", "Tomorrow is Tuesday, the twenty-fifth of November 2025."),
        ("What year is it?", "It's 2025."),
        ("What is 12 times 7?", "Eighty-four."),
        ("What is 5 minus 8?", "Minus three."),
        ("What is 10 divided by 3?", "3.33."),
        ("What is 1 divided by 300?", "0.00333."),
        ("What is 123 times 456?", "56,088."),
        ("What is 1 divided by 0?", "Nothing can be divided by zero."),
        ("What is 9 to the power of 400?", "That has no result, or one too large to say."),
        ("What is the square root of 2?", "1.41."),
        ("A third of 90", "Thirty."),
        ("27 factorial", "10,888,869,450,418,352,160,768,000,000."),
        ("How many cups in two litres?", "Two litres are 8.45 cups."),
        ("Convert 20 celsius to fahrenheit", "Twenty degrees Celsius are sixty-eight degrees Fahrenheit."),
        ("How many feet are in a mile?", "One mile is 5,280 feet."),
        ("Convert minus 40 fahrenheit to celsius", "Minus forty degrees Fahrenheit are minus forty degrees Celsius."),
        ("Convert 5 litres to miles", "That has no result, or one too large to say."),
        ("Start a new chat", "A new conversation."),
        ("Start a code task to fix the login page", "I can't start a code task by voice yet."),
        ("Set an alarm for 7 every morning", "I can't repeat an alarm yet. I can set it for one day."),
    ],
)
async def test_replies(bus: Bus, said: str, reply: str) -> None:
    async with skills_house(bus) as house:
        assert (await house.say(said)).say == reply


@pytest.mark.parametrize(
    "written", ["", "1 +", "+ 1", "( 1", "1 )", "1 2", "__import__ os", "sqrt", "1 + ( )", "9e9 + 1"]
)
def test_what_is_no_sum(written: str) -> None:
    with pytest.raises(NoSum):
        evaluate(written)


@pytest.mark.parametrize("written", ["1 / 0", "99 !", "9 ^ 9 ^ 9", "sqrt neg 4", "2 ^ 999999999", "0 ^ 0"])
def test_sums_without_a_result_end_at_once(written: str) -> None:
    with pytest.raises(SumImpossible):
        evaluate(written)


class Memory:
    def __init__(self) -> None:
        self.facts: dict[str, str] = {}

    async def remember(self, question: Remember) -> Fact:
        self.facts[str(len(self.facts))] = question.text
        return self._fact("0")

    async def listed(self, _: ListFacts) -> tuple[Fact, ...]:
        return tuple(map(self._fact, self.facts))

    async def forget(self, question: Forget) -> Forgotten:
        gone = list(self.facts) if question.fact_id == "*" else [str(question.fact_id)]
        for id_ in gone:
            del self.facts[id_]
        return Forgotten(facts=len(gone))

    def specs(self) -> list[ServiceSpec]:
        kinds: dict[type[Any], Any] = {Remember: self.remember, ListFacts: self.listed, Forget: self.forget}
        return [spec(kind.__name__, answering(kind, answer), answers=(kind,)) for kind, answer in kinds.items()]

    def _fact(self, id_: str) -> Fact:
        return Fact(id=id_, text=self.facts[id_], subject="note", created_at="2025-11-24", updated_at="2025-11-24")


async def test_memory(bus: Bus) -> None:
    memory = Memory()
    async with skills_house(bus, others=memory.specs()) as house:
        assert (await house.say("What do you know about me?")).say == "I don't know anything about you yet."
        assert (await house.say("Please remember that my sister's name is Anna.")).say == "Okay, I'll remember that."
        await house.say("Remember that I like green tea")
        assert list(memory.facts.values()) == ["My sister's name is Anna.", "I like green tea."]
        assert (await house.say("What do you know about me?")).say == (
            "This is what I know about you: My sister's name is Anna. I like green tea."
        )
        assert (await house.say("Forget that I like football")).say == "I don't know anything like that."
        assert (await house.say("Forget that I like green tea")).say == "Okay, forgotten: I like green tea."
        asked = await house.say("Forget everything you know about me.")
        assert asked.listen
        assert (await house.say("No.")).say == "Okay, I keep it."
        assert len(memory.facts) == 1
        await house.say("Forget everything you know about me.")
        assert (await house.say("Yes, please.")).say == "All forgotten."
        assert memory.facts == {}


async def test_without_memory_it_says_so(bus: Bus) -> None:
    async with skills_house(bus) as house:
        assert (await house.say("Remember that I like green tea")).say.startswith("I can't remember anything now")


async def test_one_that_rings_is_silenced_by_its_id(bus: Bus) -> None:
    async with skills_house(bus) as house:
        await house.say("pizza timer for ten minutes")
        await house.listener.hears(1)
        (timer,) = await bus.request(ListTimers(), within=5)
        assert timer.state == "ringing"
        await bus.request(CancelTimer(timer_id=timer.id), within=5)
        assert await bus.request(ListTimers(), within=5) == ()
