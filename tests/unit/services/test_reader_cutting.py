"""Passages: what is in the text, where they say, in order, nothing left out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory.adapters.cutting import MOST_CHARS_PER_TOKEN, SECTION_CHARS_PER_TOKEN, Cutter
from solo.isolation.call import Call
from tests.contract.documents import prose

TOKENS = 20
SECTION = SECTION_CHARS_PER_TOKEN * 200
PIECES = st.sampled_from(
    [
        "word ",
        "\n\n",
        "# Über\n",
        "🐎",
        "界",
        "\u0301",
        " ",
        "```\n",
        "- a\n",
        "שלום ",
        "x" * 150,
        "| a | b |\n",
        ">",
        ".",
    ]
)


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    made = Cutter(None, TOKENS, 4)
    made.load()
    return made


def covered(text: str, found: list[tuple[int, str]]) -> bool:
    """Whether every character that is not white space is in a passage."""
    left = list(text)
    for offset, passage in found:
        left[offset : offset + len(passage)] = " " * len(passage)
    return not "".join(left).strip()


def check(cutter: Cutter, text: str, markdown: bool) -> list[tuple[int, str]]:
    found = list(cutter.cut(Call(), text, markdown=markdown))
    assert all(text[offset : offset + len(passage)] == passage for offset, passage in found)
    assert all(passage == passage.strip() != "" for _, passage in found)
    assert all(len(passage) <= MOST_CHARS_PER_TOKEN * TOKENS for _, passage in found)
    assert [offset for offset, _ in found] == sorted({offset for offset, _ in found})
    return found


@pytest.mark.parametrize("markdown", [False, True])
@given(text=st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=60).map("".join))
@settings(deadline=None, max_examples=100)
def test_a_passage_is_where_it_says(cutter: Cutter, markdown: bool, text: str) -> None:
    check(cutter, text, markdown)


@pytest.mark.parametrize("markdown", [False, True])
def test_nothing_is_left_out(cutter: Cutter, markdown: bool) -> None:
    dice = random.Random(3)
    words = [*prose(60).split(), "Žluťoučký", "🐎🐎", "你好世界", "\n\n", "## Über\n\n"]
    text = " ".join(dice.choice(words) for _ in range(12_000))
    assert len(text) > 3 * SECTION
    assert covered(text, check(cutter, text, markdown))


@pytest.mark.parametrize(
    "unit", ["a", "界", ".", " ", "\n", "\n" * 99 + "a", "\u0301", "👩‍👩‍👧", "[", ">", "* ", "a b\t"]
)
@pytest.mark.parametrize("markdown", [False, True])
def test_text_without_places_to_cut(cutter: Cutter, unit: str, markdown: bool) -> None:
    text = (unit * SECTION)[: SECTION + 7]
    assert covered(text, check(cutter, text, markdown))


def test_sections_leave_no_seam() -> None:
    """A text longer than a section is cut as the splitter would have cut the whole."""
    cutter = Cutter(None, 200, 32)
    cutter.load()
    text = prose(700)
    assert len(text) > 2 * SECTION
    assert list(cutter.cut(Call(), text)) == cutter._text.chunk_indices(text)


def test_it_stops_between_sections() -> None:
    cutter = Cutter(None, 200, 32)
    cutter.load()
    call = Call()
    found = []
    for place in cutter.cut(call, prose(1500)):
        found.append(place)
        call.cancel()
    assert 0 < found[-1][0] < SECTION


def test_a_piece_of_a_long_passage_is_not_there_twice(cutter: Cutter) -> None:
    """The passage with the long word is cut once more, where the next one, which overlaps, begins as well."""
    check(cutter, f"word 0::0:0:0:word {'x' * 150}:0:0word 0000/0", markdown=False)
