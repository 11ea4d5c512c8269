"""Every sentence of the tables is understood, or left to the language model, as it says there."""

from __future__ import annotations

import pytest

from services.skills.adapters.hassil_templates import HassilCompiler
from services.skills.languages.en.english import English
from services.skills.matching import Asked, Matcher
from tests.skill_sentences import LEFT_ALONE, UNDERSTOOD


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(English(), HassilCompiler())


@pytest.mark.parametrize(("sentence", "skill", "slots"), UNDERSTOOD, ids=[row[0] for row in UNDERSTOOD])
def test_it_is_understood(matcher: Matcher, sentence: str, skill: str, slots: dict[str, str]) -> None:
    found = matcher.match(sentence)
    assert found is not None
    assert found.skill == skill
    assert slots.items() <= found.slots.items()
    assert found.control == {"control.stop": "stop", "control.repeat": "repeat", "chat.new": "afresh"}.get(
        skill, "none"
    )


@pytest.mark.parametrize("sentence", LEFT_ALONE)
def test_it_is_left_to_the_model(matcher: Matcher, sentence: str) -> None:
    assert matcher.match(sentence) is None


def test_the_tables_are_long_enough() -> None:
    assert len({row[0] for row in UNDERSTOOD}) >= 150
    assert len(set(LEFT_ALONE)) >= 150


def test_matching_changes_nothing(matcher: Matcher) -> None:
    for sentence, _, _ in UNDERSTOOD[::7]:
        assert matcher.match(sentence) == matcher.match(sentence)


@pytest.mark.parametrize(
    ("sentence", "asked", "skill", "slots"),
    [
        ("Ten minutes.", Asked("duration", "timer.set", {"name": "tea"}), "timer.set", {"seconds": "600"}),
        ("Make it an hour", Asked("duration", "timer.set"), "timer.set", {"seconds": "3600"}),
        ("Seven thirty.", Asked("moment", "alarm.set"), "alarm.set", {"hour": "7", "minute": "30"}),
        ("The pizza one.", Asked("which", "timer.cancel"), "timer.cancel", {"name": "pizza"}),
        ("Yes.", Asked("yes", "memory.forget_all"), "memory.forget_all", {"answer": "yes"}),
        ("No thanks.", Asked("yes", "memory.forget_all"), "asked.no", {"skill": "memory.forget_all"}),
        ("Never mind.", Asked("duration", "timer.set"), "control.stop", {}),
        ("What time is it?", Asked("duration", "timer.set"), "clock.time", {}),
    ],
)  # fmt: skip
def test_an_answer_is_one_only_to_its_question(
    matcher: Matcher, sentence: str, asked: Asked, skill: str, slots: dict[str, str]
) -> None:
    found = matcher.match(sentence, asked=asked)
    assert found is not None
    assert found.skill == skill
    assert slots.items() <= found.slots.items()
