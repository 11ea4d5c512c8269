"""Sums and units."""

from __future__ import annotations

from decimal import Decimal

from services.messages.skills import RunSkill, SkillReply
from services.skills.arithmetic import SumImpossible, evaluate
from services.skills.doing.hands import Hands


async def tell_sum(hands: Hands, question: RunSkill) -> SkillReply:
    return _result(hands, question.match.slots["sum"])


async def joined(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    return _result(hands, f"{slots['left']} {slots['join']} {slots['right']}")


async def convert(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    amount = Decimal(slots["amount"])
    value = hands.language.convert(amount, slots["source_unit"], slots["target_unit"])
    if value is None:
        return hands.say("no_result")
    return hands.say(
        "converted" if amount == 1 else "converted_many",
        source=hands.words.amount(amount, slots["source_unit"]),
        target=hands.words.amount(value, slots["target_unit"]),
    )


def _result(hands: Hands, written: str) -> SkillReply:
    try:
        return hands.say("sum", result=hands.words.number(evaluate(written)))
    except SumImpossible as error:
        return hands.say("divided_by_zero" if "zero" in error.message else "no_result")


DOING = {"sum.tell": tell_sum, "sum.calculate": tell_sum, "sum.joined": joined, "unit.convert": convert}
