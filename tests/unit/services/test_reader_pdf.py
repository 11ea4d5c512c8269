"""PDF documents, page by page."""

from __future__ import annotations

import zlib

import pytest

from services.memory.adapters.formats import pdf
from services.memory.adapters.formats.plain import Page
from services.memory.engines import DocumentProtected, DocumentTooLarge, DocumentUnreadable
from solo.isolation.call import Call
from tests.contract import documents


def pages(content: bytes, max_chars: int = 100_000, max_pages: int = 100) -> list[Page]:
    return list(pdf.pages(Call(), content, max_chars, max_pages))


def test_each_page_has_its_number() -> None:
    found = pages(documents.pdf([["One.", "Two."], [], ["Zürich – „ja“"]]))
    assert found == [Page(1, "One.\nTwo."), Page(2, ""), Page(3, "Zürich – „ja“")]


def test_a_word_parted_at_the_end_of_a_line_is_one() -> None:
    assert pages(documents.pdf([["An inter-", "national affair"]]))[0].text == "An international affair"


def test_what_is_written_in_plain_commands() -> None:
    drawing = zlib.compress(b"BT /F1 12 Tf 50 700 Td (Hello) Tj ET")
    assert pages(documents.raw_pdf(drawing)) == [Page(1, "Hello")]


def test_a_password_is_named() -> None:
    with pytest.raises(DocumentProtected, match="password"):
        pages(documents.pdf([["Secret."]], password="x"))


def test_more_pages_than_allowed() -> None:
    content = documents.pdf([["a"]] * 4)
    assert len(pages(content, max_pages=4)) == 4
    with pytest.raises(DocumentTooLarge, match="4 pages, more than 3"):
        pages(content, max_pages=3)


def test_more_text_than_allowed_is_not_taken_out() -> None:
    with pytest.raises(DocumentTooLarge, match="page 2"):
        pages(documents.pdf([["a"], ["b" * 60] * 10]), max_chars=100)


@pytest.mark.parametrize("keep", [10, 200, 0.3, 0.5, 0.9, -6])
def test_a_file_that_is_cut_off_is_not_half_read(keep: float) -> None:
    whole = documents.pdf([[f"line {number}" for number in range(40)]] * 5)
    size = int(keep * len(whole)) if isinstance(keep, float) else keep
    with pytest.raises(DocumentUnreadable, match="cut off"):
        pages(whole[:size])


def test_nor_one_cut_off_in_what_was_added_later() -> None:
    whole = documents.pdf([["a"]])
    with pytest.raises(DocumentUnreadable, match="cut off"):
        pages(whole + b"\n9 0 obj\n<< /Type /Page >>\n")


def test_what_follows_the_end_does_no_harm() -> None:
    assert pages(documents.pdf([["a"]]) + b"\r\n\x00\x00 trailing words") == [Page(1, "a")]


def test_it_stops_when_the_asker_has_left() -> None:
    call = Call()
    found = []
    for page in pdf.pages(call, documents.pdf([["a"]] * 5), 1000, 10):
        found.append(page)
        call.cancel()
    assert len(found) == 1
