"""Where evaluated prompts are kept: slots, and main memory behind them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.llm.adapters.host_cache import HostCache, common
from services.llm.adapters.slots import WORTH, Slot, Slots


class Cells:
    """Plays the runtime: what is evaluated in each sequence; a state is its tokens as text."""

    def __init__(self, count: int, whole_only: bool = False) -> None:
        self.held: list[list[int]] = [[] for _ in range(count)]
        self.copies = 0
        self._whole_only = whole_only

    def forget(self, sequence: int, keep: int) -> int:
        if self._whole_only and keep < len(self.held[sequence]):
            keep = 0
        del self.held[sequence][keep:]
        return keep

    def save(self, sequence: int) -> bytearray:
        return bytearray(repr(self.held[sequence]).encode())

    def saved_bytes(self, sequence: int) -> int:
        return len(self.save(sequence))

    def restore(self, sequence: int, state: bytearray) -> bool:
        self.copies += 1
        self.held[sequence] = [int(word) for word in state.decode().strip("[]").split(",")]
        return True


def slots_of(count: int, budget: int = 10_000, whole_only: bool = False) -> tuple[Slots, Cells, HostCache]:
    cells, host = Cells(count, whole_only), HostCache(budget)
    return Slots(count, cells, host), cells, host


def evaluate(cells: Cells, slot: Slot, tokens: list[int]) -> None:
    new = tokens[len(slot.tokens) :]
    slot.tokens += new
    cells.held[slot.number] += new


def use(slots: Slots, cells: Cells, tokens: list[int]) -> int:
    """A whole call; how many tokens it found evaluated."""
    slot = slots.claim(tokens)
    assert slot.tokens == cells.held[slot.number] == tokens[: len(slot.tokens)]
    found = len(slot.tokens)
    evaluate(cells, slot, tokens)
    slots.give_back(slot)
    return found


def test_common_beginnings() -> None:
    assert common([1, 2, 3], [1, 2, 4]) == 2
    assert common([], [1]) == 0
    assert common([1, 2], [1, 2]) == 2


@given(st.lists(st.integers(0, 2), max_size=40), st.lists(st.integers(0, 2), max_size=40))
def test_common_is_what_counting_says(one: list[int], other: list[int]) -> None:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    assert common(one, other) == same


def test_a_conversation_goes_on_in_its_slot() -> None:
    slots, cells, _ = slots_of(2)
    talk = list(range(50))
    assert use(slots, cells, talk) == 0
    assert use(slots, cells, [*talk, 1, 2]) == 50
    assert use(slots, cells, [*talk, 1, 2]) == 52
    assert use(slots, cells, [*talk, 1, 2, 3]) == 51, "a token was left to be read alone"


def test_two_conversations_take_two_slots() -> None:
    slots, cells, host = slots_of(2)
    one, other = list(range(50)), list(range(100, 150))
    use(slots, cells, one)
    use(slots, cells, other)
    assert use(slots, cells, [*one, 7, 8]) == 50
    assert use(slots, cells, [*other, 7, 8]) == 50
    assert len(host) == 0 and cells.copies == 0


def test_the_one_not_used_for_longest_makes_room_and_comes_back() -> None:
    slots, cells, host = slots_of(2)
    talks = [list(range(100 * at, 100 * at + 50)) for at in range(3)]
    for talk in talks:
        use(slots, cells, talk)
    assert len(host) == 1
    assert use(slots, cells, [*talks[0], 7, 8]) == 50
    assert cells.copies == 1


def test_a_beginning_is_copied_from_a_stream_under_way() -> None:
    slots, cells, _ = slots_of(2)
    head = list(range(60))
    busy = slots.claim([*head, 100])
    evaluate(cells, busy, [*head, 100])
    second = slots.claim([*head, 200, 201])
    assert second is not busy and len(second.tokens) == 60
    assert busy.tokens == cells.held[busy.number] == [*head, 100]


def test_short_beginnings_are_not_worth_a_copy() -> None:
    slots, cells, _ = slots_of(2)
    head = list(range(WORTH - 1))
    busy = slots.claim([*head, 100])
    evaluate(cells, busy, [*head, 100])
    assert slots.claim([*head, 200]).tokens == []
    assert cells.copies == 0


def test_a_model_that_cannot_go_back_starts_over() -> None:
    slots, cells, _ = slots_of(1, whole_only=True)
    assert use(slots, cells, list(range(50))) == 0
    assert use(slots, cells, [*range(50), 7, 8]) == 50
    assert use(slots, cells, [*range(40), 9]) == 0


def test_the_budget_is_kept() -> None:
    host = HostCache(100)
    for at in range(10):
        host.put((at, at), bytes(30))
        assert host.bytes <= 100
    assert len(host) == 3 and host.evictions == 7
    host.put((1,), bytes(101))
    assert len(host) == 3, "what can never fit evicts nobody"


def test_a_longer_one_takes_the_place_of_its_beginning() -> None:
    host = HostCache(1000)
    host.put((1, 2), bytes(10))
    host.put((1, 2, 3), bytes(20))
    assert len(host) == 1 and host.bytes == 20
    assert host.covers((1, 2)) and not host.covers((2,))


def test_use_counts_for_who_goes_first() -> None:
    host = HostCache(60)
    host.put((1, 1), bytes(30))
    host.put((2, 2), bytes(30))
    host.best((1, 1, 5))
    host.put((3, 3), bytes(30))
    assert host.covers((1, 1)) and not host.covers((2, 2))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=60), min_size=1, max_size=30), st.integers(0, 600))
def test_what_a_slot_says_is_what_it_holds(calls: list[list[int]], budget: int) -> None:
    slots, cells, host = slots_of(3, budget)
    for tokens in calls:
        use(slots, cells, tokens)
        assert host.bytes <= budget
        assert slots.free() == 3


def test_slots_in_use_lie_beside_each_other() -> None:
    slots, cells, _ = slots_of(5)
    for number in (2, 0, 4, 1, 3):  # used in an order that leaves the oldest ones apart
        slot = slots._slots[number]
        evaluate(cells, slot, [number * 100 + at for at in range(20)])
        slots.give_back(slot)
    taken = sorted(slots.claim([9000 + number] * 30).number for number in range(4))
    assert taken == list(range(taken[0], taken[0] + 4))


def test_a_good_beginning_is_worth_a_hole() -> None:
    slots, cells, _ = slots_of(5)
    known = list(range(40))
    evaluate(cells, slots._slots[4], known)
    first = slots.claim([7, 7, 7])
    assert slots.claim([*known, 1]).number == 4
    assert first.number == 0
