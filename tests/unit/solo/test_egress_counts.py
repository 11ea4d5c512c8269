"""The guard counts every attempt, tells of one a minute for each host, and keeps a bounded number of hosts."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from solo.egress import GUARD, EgressRefused, Endpoint, enforced
from solo.egress.guard import MOST_HOSTS, OTHERS, Refused

FOUR = "192.0.2.1"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    GUARD.total = 0
    GUARD._refused.clear()
    yield
    GUARD.total, GUARD.on_refused = 0, None
    GUARD._refused.clear()


class TestCounting:
    def attempt(self, host: str = FOUR, times: int = 1) -> None:
        for _ in range(times):
            with suppress(EgressRefused):
                GUARD.check(socket.AF_INET, (host, 443))

    def test_each_attempt_counts_and_one_a_minute_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        told: list[Refused] = []
        GUARD.on_refused = told.append
        with enforced():
            self.attempt(times=5)
            self.attempt("192.0.2.2", times=2)
        assert GUARD.total == 7 and len(told) == 2
        assert {(each.host, each.count) for each in GUARD.refused()} == {(FOUR, 5), ("192.0.2.2", 2)}
        assert capsys.readouterr().out.count("outbound attempt refused") == 2
        assert {each.by for each in told} == {__name__}

    def test_attempts_of_a_proof_do_not(self) -> None:
        with enforced(), GUARD.proving() as made:
            self.attempt(times=3)
        assert GUARD.total == 0 and GUARD.refused() == () and len(made) == 3

    def test_not_more_and_more_hosts_are_kept(self) -> None:
        with enforced():
            for number in range(MOST_HOSTS + 50):
                self.attempt(f"10.1.{number // 250}.{number % 250}")
        assert len(GUARD.refused()) == MOST_HOSTS + 1
        assert GUARD.total == MOST_HOSTS + 50 == sum(each.count for each in GUARD.refused())
        assert next(each for each in GUARD.refused() if each.host == OTHERS).count == 50

    def test_the_error_says_how_to_allow_it(self) -> None:
        with enforced(), pytest.raises(EgressRefused, match=re.escape(f"{FOUR}:443")) as caught:
            GUARD.check(socket.AF_INET, (FOUR, 443))
        assert """SOLO_EGRESS__ALLOW='["192.0.2.1:443"]'""" in caught.value.hint
        assert Endpoint.parse("192.0.2.1:443", "")
