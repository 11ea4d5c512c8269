"""What is known about the speaker; and work for parts that are not there yet."""

from __future__ import annotations

from collections.abc import Sequence

from services.messages.facts import Fact, ListFacts, Remember
from services.messages.memory import Forget
from services.messages.skills import RunSkill, SkillReply
from services.skills.doing.hands import Hands
from services.skills.languages.language import words
from services.skills.matching import Asked
from solo.errors import SoloError

_WITHIN_S = 3.0
_MOST_TOLD = 6
"""Facts in one answer."""
_ENOUGH = 0.6
"""Share of the words said that a fact must have to be the one meant."""
_EMPTY = frozenset(
    words(
        """the a an that this i i'm im my me mine is are am was were be to of in on at and or it you about user
        user's users has have had do does did their they"""
    )
)


async def remember(hands: Hands, question: RunSkill) -> SkillReply:
    fact = question.match.slots["fact"].strip()
    text = fact[:1].upper() + fact[1:] + ("" if fact.endswith((".", "!")) else ".")
    asked = Remember(profile=question.profile, text=text, turn_id=question.turn_id)
    try:
        await hands.ctx.request(asked, within=_WITHIN_S)
    except SoloError as error:
        return _failed(hands, error)
    return hands.say("remembered")


async def forget(hands: Hands, question: RunSkill) -> SkillReply:
    slots = question.match.slots
    try:
        found = _meant(await _facts(hands, question), slots.get("what") or slots["fact"])
        if not found:
            return hands.say("nothing_to_forget")
        if len(found) > 1:
            return hands.say("which_fact", facts=" ".join(fact.text for fact in found[:_MOST_TOLD]))
        await hands.ctx.request(Forget(profile=question.profile, fact_id=found[0].id), within=_WITHIN_S)
    except SoloError as error:
        return _failed(hands, error)
    return hands.say("forgotten", fact=found[0].text)


async def forget_all(hands: Hands, question: RunSkill) -> SkillReply:
    if "answer" not in question.match.slots:
        return hands.ask(question.profile, Asked("yes", "memory.forget_all"), "sure_to_forget")
    try:
        await hands.ctx.request(Forget(profile=question.profile, fact_id="*"), within=_WITHIN_S)
    except SoloError as error:
        return _failed(hands, error)
    return hands.say("all_forgotten")


async def tell_all(hands: Hands, question: RunSkill) -> SkillReply:
    try:
        facts = await _facts(hands, question)
    except SoloError as error:
        return _failed(hands, error)
    if not facts:
        return hands.say("knows_nothing")
    told = " ".join(fact.text for fact in facts[:_MOST_TOLD])
    return hands.say("knows" if len(facts) <= _MOST_TOLD else "knows_some", facts=told, count=str(len(facts)))


async def keep_it(hands: Hands, question: RunSkill) -> SkillReply:
    return hands.say("kept" if question.match.slots.get("skill") == "memory.forget_all" else "okay")


async def new_chat(hands: Hands, question: RunSkill) -> SkillReply:
    return SkillReply(say=hands.words.say("new_chat"), control="afresh")


async def code_task(hands: Hands, question: RunSkill) -> SkillReply:
    """There is no part yet that takes one."""
    return hands.say("no_code_task")


async def _facts(hands: Hands, question: RunSkill) -> Sequence[Fact]:
    return await hands.ctx.request(ListFacts(profile=question.profile, limit=1000), within=_WITHIN_S)


def _meant(facts: Sequence[Fact], said: str) -> list[Fact]:
    """Those that share most words with what was said, where that is enough of them."""
    wanted = _words(said)
    if not wanted:
        return []
    scored = [(len(wanted & (_words(fact.text) | {_stem(fact.subject)})) / len(wanted), fact) for fact in facts]
    best = max((score for score, _ in scored), default=0.0)
    return [fact for score, fact in scored if score == best] if best >= _ENOUGH else []


def _words(text: str) -> set[str]:
    words = {word.strip(".,!?;:'\"").removesuffix("'s") for word in text.lower().split()}
    return {_stem(word) for word in words - _EMPTY if word}


def _stem(word: str) -> str:
    """I like, the user likes."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _failed(hands: Hands, error: SoloError) -> SkillReply:
    hands.ctx.log.warning("memory does not answer", error=error.line())
    return hands.say("not_remembered")


DOING = {
    "memory.remember": remember,
    "memory.forget": forget,
    "memory.forget_all": forget_all,
    "memory.list": tell_all,
    "asked.no": keep_it,
    "chat.new": new_chat,
    "code.task": code_task,
}
