"""A request to a language model is checked, and its history cut to the context, before an engine sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.adapters.fitting import CUTS, fit
from services.llm.engine import ChatMessage, PromptTooLong

SYSTEM: ChatMessage = {"role": "system", "content": "s" * 10}


def tokens_of(messages: list[ChatMessage]) -> int:
    """A character is a token."""
    return sum(len(message["content"]) for message in messages)


def talk(exchanges: int, length: int = 10) -> list[ChatMessage]:
    """A system prompt of 10 tokens, exchanges of twice `length`, a question of 10."""
    messages = [SYSTEM]
    for number in range(exchanges):
        text = str(number).rjust(length)
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    return [*messages, {"role": "user", "content": "q" * 10}]


def test_what_fits_stays() -> None:
    messages = talk(3)
    assert fit(messages, tokens_of, context=100, max_tokens=20) == (messages, 0)


def test_one_token_too_many_costs_the_oldest_exchange() -> None:
    messages = talk(3)
    assert fit(messages, tokens_of, context=99, max_tokens=20) == ([SYSTEM, *messages[3:]], 2)


def test_all_history_may_go_but_not_system_and_question() -> None:
    messages = talk(3)
    assert fit(messages, tokens_of, context=40, max_tokens=20) == ([SYSTEM, messages[-1]], 6)


def test_a_question_too_long_says_how_long() -> None:
    with pytest.raises(PromptTooLong) as caught:
        fit(talk(3), tokens_of, context=39, max_tokens=20)
    assert "20 tokens" in caught.value.message and "39" in caught.value.message
    assert caught.value.hint


def test_system_messages_in_between_stay() -> None:
    late: ChatMessage = {"role": "system", "content": "late"}
    messages = [*talk(2)[:-1], late, talk(0)[-1]]
    assert fit(messages, tokens_of, context=44, max_tokens=20).messages == [SYSTEM, late, messages[-1]]


def test_a_greeting_before_the_first_question_is_an_exchange() -> None:
    greeting: ChatMessage = {"role": "assistant", "content": "g" * 10}
    messages = [SYSTEM, greeting, *talk(1)[1:]]
    assert fit(messages, tokens_of, context=60, max_tokens=20) == ([SYSTEM, *talk(1)[1:]], 1)


def test_a_long_history_is_cut_in_steps_that_stay_for_turns() -> None:
    first_kept = []
    for exchanges in range(40, 48):
        kept = fit(talk(exchanges), tokens_of, context=620, max_tokens=20).messages
        first_kept.append(kept[1]["content"])
    assert len(set(first_kept)) <= 3, first_kept


def test_few_counts_are_needed() -> None:
    counted = 0

    def counting(messages: list[ChatMessage]) -> int:
        nonlocal counted
        counted += 1
        return tokens_of(messages)

    fit(talk(1000), counting, context=500, max_tokens=20)
    assert counted <= 13


@given(st.integers(0, 60), st.integers(1, 30), st.integers(21, 600))
def test_the_result_fits_and_no_more_than_a_step_too_much_is_dropped(exchanges: int, length: int, context: int) -> None:
    messages = talk(exchanges, length)
    kept, dropped = fit(messages, tokens_of, context, max_tokens=1)
    assert tokens_of(kept) + 1 <= context
    assert kept == [SYSTEM, *messages[1 + dropped :]]
    step = 2 * max(1, exchanges // CUTS)
    if dropped:
        assert tokens_of([SYSTEM, *messages[1 + max(0, dropped - step) :]]) + 1 > context


def test_what_tools_were_called_for_stays() -> None:
    calling: list[ChatMessage] = [
        {"role": "user", "content": "u" * 10},
        {"role": "assistant", "content": "a" * 10},
        {"role": "tool", "content": "t" * 10},
    ]
    messages = [*talk(3)[:-1], *calling]
    kept = fit(messages, tokens_of, tokens_of([SYSTEM, *calling]) + 8, 8)
    assert kept.messages == [SYSTEM, *calling]
