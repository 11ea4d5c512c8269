"""A model that keeps failing is left alone, and tried by one question at a time."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from services.llm.breaker import FAILURES, FIRST_S, MOST_S, CircuitBreaker

pytestmark = pytest.mark.virtual_time


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker(random.Random(1))
    for _ in range(FAILURES):
        assert breaker.state == "closed"
        breaker.failed()
    return breaker


async def test_it_opens_after_failures_in_a_row() -> None:
    breaker = opened()
    assert (breaker.state, breaker.willing) == ("open", False)
    assert FIRST_S * 0.8 <= breaker.wait_s <= FIRST_S * 1.2


async def test_a_success_between_begins_the_row_afresh() -> None:
    breaker = CircuitBreaker(random.Random(1))
    for _ in range(10):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.worked()
    assert breaker.state == "closed"


async def test_one_question_tries_it_after_the_pause() -> None:
    breaker = opened()
    await asyncio.sleep(FIRST_S * 1.2)
    assert (breaker.state, breaker.willing) == ("half_open", True)
    assert breaker.begin()
    assert not breaker.willing
    breaker.worked()
    assert (breaker.state, breaker.willing) == ("closed", True)
    assert not breaker.begin()


async def test_a_try_that_fails_makes_the_next_pause_longer_up_to_a_limit() -> None:
    breaker = opened()
    pauses = []
    for _ in range(10):
        pauses.append(breaker.wait_s)
        await asyncio.sleep(breaker.wait_s + 0.001)
        assert breaker.begin()
        breaker.failed()
        assert breaker.state == "open"
    assert all(later > earlier for earlier, later in itertools.pairwise(pauses[:6]))
    assert max(pauses) <= MOST_S * 1.2


async def test_a_try_whose_asker_leaves_says_nothing() -> None:
    breaker = opened()
    await asyncio.sleep(FIRST_S * 1.2)
    assert breaker.begin()
    breaker.left()
    assert (breaker.state, breaker.willing) == ("half_open", True)


async def test_a_late_failure_of_an_older_question_does_not_lengthen_the_pause() -> None:
    breaker = opened()
    before = breaker.wait_s
    breaker.failed()
    assert breaker.wait_s == before


async def test_after_it_worked_the_pauses_begin_short_again() -> None:
    breaker = opened()
    for _ in range(4):
        await asyncio.sleep(breaker.wait_s + 0.001)
        breaker.begin()
        breaker.failed()
    await asyncio.sleep(breaker.wait_s + 0.001)
    breaker.begin()
    breaker.worked()
    for _ in range(FAILURES):
        breaker.failed()
    assert breaker.wait_s <= FIRST_S * 1.2


async def test_breakers_do_not_wake_together() -> None:
    pauses = set()
    for seed in range(20):
        breaker = CircuitBreaker(random.Random(seed))
        for _ in range(FAILURES):
            breaker.failed()
        pauses.add(breaker.wait_s)
    assert len(pauses) == 20
