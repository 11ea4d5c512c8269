"""How many prompt tokens a step takes, and how many threads it has."""

from __future__ import annotations

import pytest

from services.llm.adapters.batches import piece
from services.llm.adapters.pace import ALONE_S, SHARE, Pace
from services.llm.adapters.speculation import NGrams
from services.llm.adapters.threads import LOOK_EVERY_S, Threads


class TestPace:
    def test_takes_all_before_anything_is_known(self) -> None:
        assert Pace(512).reading(2) == 512

    def test_beside_others_it_costs_less_than_two_of_their_steps(self) -> None:
        pace = Pace(512)
        pace.step(0.010, written=1, read=0)
        pace.step(0.200, written=0, read=50)
        for writers in (1, 2, 4):
            extra = pace.reading(writers) * 0.004
            assert 0 < extra <= SHARE * writers * 0.010 < 2 * writers * 0.010

    def test_alone_it_ends_soon_enough_for_the_next(self) -> None:
        pace = Pace(512)
        pace.step(0.200, written=0, read=50)
        assert pace.reading(0) * 0.004 <= ALONE_S

    def test_it_always_goes_on(self) -> None:
        pace = Pace(512)
        pace.step(0.001, written=1, read=0)
        pace.step(10.0, written=0, read=10)
        assert pace.reading(1) == 1

    def test_mixed_steps_teach_nothing(self) -> None:
        pace = Pace(512)
        pace.step(5.0, written=1, read=20)
        assert pace.reading(1) == 512


class TestPieces:
    @pytest.mark.parametrize("left", range(1, 40))
    @pytest.mark.parametrize("most", range(1, 12))
    def test_no_token_is_ever_alone(self, left: int, most: int) -> None:
        whole = left
        while left:
            size = piece(left, most)
            assert 0 < size <= max(most + 1, 3) and size <= left
            assert size > 1 or whole == 1
            left -= size

    def test_none_where_there_is_no_time(self) -> None:
        assert piece(10, 0) == 0 == piece(10, -3)


class Machine:
    def __init__(self) -> None:
        self.at = self.work = self.own = 0.0

    def threads(self, most: int = 2, cores: int = 2) -> Threads:
        self.made = Threads(most, clock=lambda: self.at, busy=lambda: (self.work, cores), own=lambda: self.own)
        return self.made

    def rests(self, seconds: float, others: float) -> None:
        self.at += seconds
        self.work += others * seconds

    def steps(self, seconds: float, own: float, others: float) -> None:
        """One step after the other, until now."""
        self.own += own * seconds
        self.rests(seconds, own + others)
        self.made.took(0.01, usual=0.01)


class TestThreads:
    def test_all_cores_while_nobody_else_works(self) -> None:
        machine = Machine()
        threads = machine.threads()
        assert threads.now() == 2
        machine.steps(0.2, own=2, others=0.2)
        assert threads.now() == 2

    def test_leaves_a_core_to_who_uses_it(self) -> None:
        machine = Machine()
        threads = machine.threads()
        threads.now()
        machine.steps(0.2, own=1.1, others=0.9)
        assert threads.now() == 1
        machine.steps(0.2, own=1, others=0.1)
        assert threads.now() == 2

    def test_never_none(self) -> None:
        machine = Machine()
        threads = machine.threads(cores=4, most=3)
        threads.now()
        machine.steps(0.2, own=0.1, others=3.9)
        assert threads.now() == 1

    def test_looks_a_few_times_a_second_only(self) -> None:
        looks = 0

        def busy() -> tuple[float, int]:
            nonlocal looks
            looks += 1
            return 0.0, 2

        at = 0.0
        threads = Threads(2, clock=lambda: at, busy=busy, own=lambda: 0.0)
        for _ in range(100):
            threads.now()
            at += LOOK_EVERY_S / 50
            threads.took(0.001, usual=0.001)
        assert looks <= 3

    def test_a_stalled_step_is_noticed_at_once(self) -> None:
        machine = Machine()
        threads = machine.threads()
        threads.now()
        threads.took(0.2, usual=0.01)
        assert threads.now() == 1
        machine.steps(0.2, own=1, others=0)
        assert threads.now() == 2

    def test_a_machine_that_does_not_tell(self) -> None:
        threads = Threads(3, clock=lambda: 1.0, busy=lambda: None, own=lambda: 0.0)
        assert threads.now() == 3

    @pytest.mark.parametrize("rest_s", [0.05, 0.3, 5])
    def test_what_others_did_while_it_rested_does_not_count(self, rest_s: float) -> None:
        machine = Machine()
        threads = machine.threads()
        threads.now()
        machine.steps(0.2, own=1, others=1)
        assert threads.now() == 1
        machine.rests(rest_s, others=2)
        assert threads.now() == 2, "the first step after a rest waits for nobody"
        machine.steps(0.2, own=1, others=1)
        assert threads.now() == 1


class TestNGrams:
    def test_what_came_after_the_same_words(self) -> None:
        assert NGrams().draft([1, 2, 3, 4, 5, 9, 1, 2, 3], 2) == [4, 5]

    def test_the_last_time_counts(self) -> None:
        assert NGrams().draft([1, 2, 7, 1, 2, 8, 1, 2], 1) == [8]

    @pytest.mark.parametrize("tokens", [[], [1], [1, 2, 3, 4]])
    def test_nothing_that_was_never_there(self, tokens: list[int]) -> None:
        assert NGrams().draft(tokens, 4) == []
