"""Written text into what is said: right where it is known how, and never worse than what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.adapters.wording.plain import plain
from services.tts.adapters.wording.wording import worded


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # numbers
        ("It is 3.14, or -5.", "It is three point one four, or minus five."),
        ("1,234,567 people", "one million two hundred thirty-four thousand five hundred sixty-seven people"),
        ("1st, 22nd and 103rd", "first, twenty-second and one hundred third"),
        ("1/2 cup, 2 1/2 cups, ¾", "one half cup, two and a half cups, three quarters"),
        ("007", "zero zero seven"),
        ("12345678901234567890", "one two three four five six seven eight nine zero " * 2),
        ("Python 3.11.2", "Python three point eleven point two"),
        ("MP3, 5G and H2O", "MP three, five G and H two O"),
        ("2 + 2 = 4", "two plus two equals four"),
        ("x² and ①", "x squared and one"),
        # days
        ("on 2026-11-28", "on November twenty-eighth, twenty twenty-six"),
        ("on 11/28/2026", "on November twenty-eighth, twenty twenty-six"),
        ("on 28/11/2026", "on November twenty-eighth, twenty twenty-six"),
        ("3 March, Nov 28, 2026", "March third, November twenty-eighth, twenty twenty-six"),
        ("in 1999, the 1990s", "in nineteen ninety-nine, the nineteen nineties"),
        ("1914-1918", "nineteen fourteen to nineteen eighteen"),
        ("1500 people in 1500", "one thousand five hundred people in fifteen hundred"),
        # times
        ("at 7:30 pm", "at seven thirty PM"),
        ("At 14:05 or 7:00", "At two oh five PM or seven o'clock"),
        ("until 10 p.m. Then", "until ten PM. Then"),
        ("the ratio 16:9", "the ratio sixteen to nine"),
        # amounts
        ("$3.50, €1,200 and 50 £", "three dollars and fifty cents, one thousand two hundred euros and fifty pounds"),
        ("$1.2 million, -$20", "one point two million dollars, minus twenty dollars"),
        ("$1.01", "one dollar and one cent"),
        ("120 km/h, 21 °C", "one hundred twenty kilometres per hour, twenty-one degrees Celsius"),
        ("45% of 16 GB", "forty-five percent of sixteen gigabytes"),
        ("5-10 km, 1 kg", "five to ten kilometres, one kilogram"),
        ("3 m²", "three square metres"),
        # to dial, to visit
        ("+1 (555) 123-4567", "plus one, five five five, one two three, four five six seven"),
        ("555-123-4567", "five five five, one two three, four five six seven"),
        ("call 555-1234", "call five five five, one two three four"),
        ("100-2000 people", "one hundred to two thousand people"),
        ("192.168.1.1", "one nine two dot one six eight dot one dot one"),
        ("See https://www.example.com/a/b?c=d#e, please.", "See example dot com, please."),
        ("ask john.doe@example.org", "ask john dot doe at example dot org"),
        # short forms
        ("Dr. Smith of Main St. met St. Peter", "Doctor Smith of Main Street met Saint Peter"),
        ("fruit, e.g. apples, etc. Then", "fruit, for example, apples, et cetera. Then"),
        ("No. 5, #7", "number five, number seven"),
        ("and/or R&D", "and or R and D"),
    ],
)
def test_english(written: str, said: str) -> None:
    assert worded(written, "en-us") == said.strip()


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        ("de", "um 14:30 Uhr, 3,5 km", "um vierzehn Uhr dreißig, drei Komma fünf Kilometer"),
        ("de", "am 28.11.2026", "am achtundzwanzigsten November zweitausendsechsundzwanzig"),
        ("de", "1.234,50 €", "eintausendzweihundertvierunddreißig Euro fünfzig Cent"),
        ("fr", "3,5 km, le 1 mars", "trois virgule cinq kilomètres, le premier mars"),
        ("es", "45 %, el 2026-11-28", "cuarenta y cinco por ciento, el veintiocho de noviembre de dos mil veintiséis"),
        ("en-gb", "on 03/04/2026", "on April third, twenty twenty-six"),
        ("en-us", "on 03/04/2026", "on March fourth, twenty twenty-six"),
        ("ru", "**45** % и 3,5 км", "45 % и 3,5 км"),
        ("xx", "**45** %", "45 %"),
    ],
)
def test_other_languages(language: str, written: str, said: str) -> None:
    assert worded(written, language) == said


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("**Bold**, *it*, `code`, ~~gone~~ and snake_case", "Bold, it, code, gone and snake case"),
        ("[link](http://x.y/z) and ![picture](a.png)", "link and picture"),
        ("# Title\nText", "Title. Text"),
        ("- one\n- [x] two\n* three", "one. two. three"),
        ("1. First\n2) Second", "1, First. 2, Second"),
        ("| a | b |\n|---|:-:|\n| c | d |", "a, b. c, d"),
        ("Before\n```python\nprint(1)\n```\nafter", "Before. after"),
        ("Before\n```\nunfinished", "Before"),
        ("<b>bold</b> &amp; <!-- note --> so", "bold & so"),
        ("Great 👍🏽! ❤️ 🎉", "Great !"),
        ("a\x00b\u200bc\ud83d", "a bc"),
        ("2*3 and C#", "2*3 and C#"),
        ("As said [1], and [^2].", "As said , and ."),
        ("---", ""),
        ("5 < 6 and a<b", "5 < 6 and a<b"),
    ],
)
def test_markup(written: str, heard: str) -> None:
    assert plain(written) == heard


PROSE = st.text(
    alphabet=st.sampled_from(" \n.,:;!?-+*/%$€£°#&@()[]<>=_`'\"|~0123456789abcdekmpstghGBCKMW²½①٣é世😀\u00a0"),
    max_size=120,
)


@given(PROSE | st.text(max_size=80))
def test_no_digit_is_left(text: str) -> None:
    assert not any(map(str.isdigit, worded(text, "en-us")))


@given(PROSE | st.text(max_size=80))
def test_saying_it_twice_changes_nothing(text: str) -> None:
    said = worded(text, "en-us")
    assert worded(said, "en-us") == said


@given(PROSE | st.text(max_size=200), st.sampled_from(["en-us", "de", "fr", "es", "ru", ""]))
def test_it_grows_within_bounds_and_stays_on_one_line(text: str, language: str) -> None:
    said = worded(text, language)
    assert len(said) <= 20 * len(text) + 20
    assert "\n" not in said
    assert said == said.strip()


@given(st.text(alphabet="abcdefghij ,;é", max_size=100))
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert worded(text, "en-us").replace(" ", "") == (text.replace(" ", "") if any(map(str.isalnum, text)) else "")


@pytest.mark.parametrize(
    "unit",
    ["1", "1.1", "1,", "*", "-1", "a.b@", "(1) ", "[[", "<a", "|", "\n#", "www.", "_a", "~~~\n", "0 1-", "<!--", "1/1"],
)
def test_hostile_text_is_done_with(unit: str) -> None:
    """In time that grows as the text does: a quadratic rule would run into the limit of the test."""
    worded((unit * 20_000)[:20_000], "en-us")
