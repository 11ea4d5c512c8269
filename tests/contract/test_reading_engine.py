"""What every reader of documents promises, asked of the fake (plain text only) and of the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.memory.adapters import packaged
from services.memory.adapters.fake import FakeReader
from services.memory.adapters.reader import DocumentReader
from services.memory.engines import (
    DocumentTooLarge,
    DocumentUnsupported,
    ReadingEngine,
    ReadResult,
)
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError, ModelCorrupt, ModelMissing
from tests.contract import documents
from tests.contract.documents import prose, sentences

MAKERS: dict[str, Callable[..., ReadingEngine]] = {"fake": FakeReader, "documents": DocumentReader}
TEXT = "Der erste Absatz über Žluťoučký kůň 🐎.\n\nSecond paragraph, 你好世界。\nIts second line.\n\nשלום \u200fעולם\n"


@pytest.fixture(scope="module", params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[..., ReadingEngine]:
    return MAKERS[request.param]


@pytest.fixture(scope="module")
def reader(make: Callable[..., ReadingEngine]) -> ReadingEngine:
    engine = make()
    engine.load()
    return engine


@pytest.fixture(scope="module")
def documents_reader() -> DocumentReader:
    engine = DocumentReader()
    engine.load()
    return engine


def words(result: ReadResult) -> list[str]:
    return " ".join(chunk["text"] for chunk in result["chunks"]).split()


class TestReadingEngine:
    def test_load_says_what_it_is(self, make: Callable[..., ReadingEngine]) -> None:
        info: dict[str, Any] = make().load()
        assert all(isinstance(info[key], str) and info[key] for key in ("engine", "model"))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_text_comes_out_as_it_went_in(self, reader: ReadingEngine, encoding: str) -> None:
        result = reader.read(Call(), "notes.txt", TEXT.encode(encoding))
        assert result["media_type"] == "text/plain"
        assert result["pages"] is None
        assert words(result) == TEXT.split()

    @pytest.mark.parametrize("text", [TEXT, prose(300), "one line", "\n\n\n a \n\n\n b", "word " * 5000])
    def test_a_chunk_is_where_it_says(self, reader: ReadingEngine, text: str) -> None:
        result = reader.read(Call(), "notes.txt", text.encode())
        assert result["chunks"]
        for chunk in result["chunks"]:
            assert text[chunk["offset"] :].startswith(chunk["text"])
            assert chunk["text"] == chunk["text"].strip() != ""
            assert chunk["page"] is None

    @pytest.mark.parametrize("content", [b"", b" \n\t\n ", b"\xef\xbb\xbf", b"\xff\xfe"])
    def test_no_text_is_no_chunks(self, reader: ReadingEngine, content: bytes) -> None:
        assert reader.read(Call(), "notes.txt", content)["chunks"] == []

    def test_what_postgresql_cannot_hold_stays_out(self, reader: ReadingEngine) -> None:
        text = "a\x01b\x7f\x9fc\r\nd\x0ce \ud800 end".encode("utf-16", "surrogatepass") + b"\x00\x00"
        result = reader.read(Call(), "notes.txt", text)
        said = " ".join(words(result))
        assert said.startswith("abc d e ")
        assert said.endswith(" end")
        said.encode("utf-8")
        assert "\x00" not in said

    @pytest.mark.parametrize("content", [b"a\x00b", documents.png(), documents.executable(), documents.zipped(a=b"b")])
    def test_what_is_no_document_is_refused(self, reader: ReadingEngine, content: bytes) -> None:
        with pytest.raises(DocumentUnsupported) as refused:
            reader.read(Call(), "notes.txt", content)
        assert refused.value.hint

    def test_too_much_text_is_refused(self, make: Callable[..., ReadingEngine]) -> None:
        engine = make(max_chars=1000)
        engine.load()
        assert words(engine.read(Call(), "notes.txt", b"a" * 1000)) == ["a" * 1000]
        for size in (1001, 1_000_000):
            with pytest.raises(DocumentTooLarge, match="1000 characters") as refused:
                engine.read(Call(), "notes.txt", b"a" * size)
            assert refused.value.hint

    def test_a_reading_broken_off_is_no_answer(self, reader: ReadingEngine) -> None:
        gone = Call()
        gone.cancel()
        with pytest.raises(EngineError, match="broken off"):
            reader.read(gone, "notes.txt", prose(100).encode())
        assert words(reader.read(Call(), "notes.txt", b"Still there.")) == ["Still", "there."]


KINDS: dict[str, tuple[str, Callable[[list[str]], bytes]]] = {
    "pdf": ("application/pdf", lambda lines: documents.pdf([lines[:40], [], lines[40:]])),
    "docx": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        lambda lines: documents.docx(*lines),
    ),
    "html": ("text/html", lambda lines: "".join(f"<p>{line}</p>" for line in lines).encode()),
    "md": ("text/markdown", lambda lines: "\n\n".join(lines).encode()),
    "txt": ("text/plain", lambda lines: "\n".join(lines).encode()),
}


class TestDocumentReader:
    @pytest.mark.parametrize("ending", KINDS)
    def test_every_format_gives_its_text_in_order(self, documents_reader: DocumentReader, ending: str) -> None:
        media_type, make = KINDS[ending]
        lines = sentences(70)
        result = documents_reader.read(Call(), f"a.{ending}", make(lines))
        assert result["media_type"] == media_type
        places = [
            next(number for number, chunk in enumerate(result["chunks"]) if line in " ".join(chunk["text"].split()))
            for line in lines
        ]
        assert places == sorted(places)
        assert len(result["chunks"]) > 3

    @pytest.mark.parametrize("ending", KINDS)
    def test_a_chunk_fits_the_embedder(self, documents_reader: DocumentReader, ending: str) -> None:
        tokenizer = packaged.load_tokenizer(packaged.tokenizer())
        for chunk in documents_reader.read(Call(), f"a.{ending}", KINDS[ending][1](sentences(70)))["chunks"]:
            assert len(tokenizer.encode(chunk["text"], add_special_tokens=False).ids) <= 200

    @pytest.mark.parametrize("ending", ["txt", "md", "docx"])
    def test_chunks_overlap(self, documents_reader: DocumentReader, ending: str) -> None:
        chunks = documents_reader.read(Call(), f"a.{ending}", KINDS[ending][1](sentences(70)))["chunks"]
        ends = [chunk["offset"] + len(chunk["text"]) for chunk in chunks]
        assert all(chunk["offset"] < end for chunk, end in zip(chunks[1:], ends[:-1], strict=True))

    def test_pages_are_counted_from_one(self, documents_reader: DocumentReader) -> None:
        result = documents_reader.read(Call(), "a.pdf", documents.pdf([["First."], [], ["Third."]]))
        assert result["pages"] == 3
        assert [(chunk["page"], chunk["text"]) for chunk in result["chunks"]] == [(1, "First."), (3, "Third.")]

    def test_chunks_can_be_shorter(self) -> None:
        engine = DocumentReader(chunk_tokens=20, overlap_tokens=0)
        engine.load()
        text = prose(40)
        chunks = engine.read(Call(), "a.txt", text.encode())["chunks"]
        assert len(chunks) > 20
        assert " ".join(chunk["text"] for chunk in chunks).split() == text.split()

    @pytest.mark.parametrize("overlap", [-1, 20, 30])
    def test_an_overlap_without_sense_is_refused(self, overlap: int) -> None:
        with pytest.raises(BadEngineInput) as refused:
            DocumentReader(chunk_tokens=20, overlap_tokens=overlap).load()
        assert refused.value.hint

    def test_the_tokenizer_must_be_there_and_whole(self, tmp_path: Path) -> None:
        file = tmp_path / "tokenizer.json"
        with pytest.raises(ModelMissing):
            DocumentReader(tokenizer=str(file)).load()
        file.write_bytes(b"{}")
        with pytest.raises(ModelCorrupt):
            DocumentReader(tokenizer=str(file)).load()
