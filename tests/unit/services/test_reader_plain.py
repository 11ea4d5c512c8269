"""Plain text: encodings, and the characters that are left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.memory.adapters.formats.plain import clean, decode

GERMAN = "Größe: 5 €, „schön“ – naïve"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "windows-1252"])
def test_usual_encodings_are_known(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize(
    ("label", "text"),
    [("windows-1251", "Привет"), ("Shift_JIS", "日本語"), ("iso-2022-jp", "日本語"), ("gb18030", "你好")],
)
def test_others_when_they_are_declared(label: str, text: str) -> None:
    assert decode(text.encode(label), label) == text


@pytest.mark.parametrize("label", ["latin1", "ISO-8859-1", "us-ascii"])
def test_latin_1_means_windows_1252(label: str) -> None:
    assert decode(GERMAN.encode("windows-1252"), label) == GERMAN


@pytest.mark.parametrize("label", ["punycode", "unicode_escape", "utf-7", "hex", "rot13", "iso-8859-12", "x" * 40, ""])
def test_no_other_codec_of_pythons_can_be_asked_for(label: str) -> None:
    assert decode(b"\\x41 caf\xe9", label) == "\\x41 café"


def test_utf_8_is_believed_before_a_wrong_label() -> None:
    assert decode(GERMAN.encode(), "windows-1251") == GERMAN


def test_a_scratch_in_utf_8_is_one_lost_character() -> None:
    assert decode("Žluťoučký kůň".encode() + b"\xff" + " pěl".encode()) == "Žluťoučký kůň\ufffd pěl"


def test_bytes_that_windows_1252_has_not() -> None:
    assert decode(b"a\x81\xe9") == "a\x81é"


@given(st.binary(max_size=200))
def test_all_bytes_are_some_text(content: bytes) -> None:
    clean(decode(content)).encode("utf-8")


@given(st.text(st.characters(), max_size=200))
def test_nothing_is_left_that_cannot_be_kept(text: str) -> None:
    left = clean(text)
    left.encode("utf-8")
    assert not any(ord(sign) < 32 and sign not in "\n\t" for sign in left)
    assert clean(left) == left


def test_what_is_seen_stays() -> None:
    assert clean("a\tb \u200fשלום\u200e é 👩‍👩‍👧 \u202eabc\u202c") == "a\tb \u200fשלום\u200e é 👩‍👩‍👧 \u202eabc\u202c"


def test_lines_end_in_one_way() -> None:
    assert clean("a\r\nb\rc\x0bd\x0ce\x85f\u2028g") == "a\nb\nc\nd\ne\nf\ng"


def test_a_soft_hyphen_parts_no_word() -> None:
    assert clean("inter\u00adnational") == "international"
