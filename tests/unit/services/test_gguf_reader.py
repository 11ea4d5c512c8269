"""A model file's header is looked through before native code reads it."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.formats.gguf import Header, check_gguf, part_paths, read_header
from services.formats.gguf_cursor import KEPT_ELEMENTS, KEPT_TEXT, MOST_HEADER
from solo.isolation.engine import ModelCorrupt, ModelMissing
from tests.gguf_files import (
    ARRAY,
    INT32,
    STRING,
    UINT16,
    UINT64,
    array,
    gguf,
    number,
    pair,
    small_model,
    split_model,
    string,
    tensor,
)  # fmt: skip
from tests.hostile_gguf import HEADER_BYTES, SMALL, hostile, truncated

HOSTILE = hostile()
TRUNCATED = truncated()


def written(folder: Path, data: bytes, name: str = "model.gguf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_sound_header_is_read(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, SMALL))
    assert (header.version, header.tensor_count, header.parameters, header.types) == (3, 2, 16, {"F32": 16})
    assert header.metadata == {
        "general.architecture": "llama", "general.alignment": 32, "words": ("a", "b"), "numbers": (1, 2),
    }  # fmt: skip
    assert header.files == (tmp_path / "model.gguf",) and header.size_bytes == len(SMALL)


def test_version_2_and_other_alignments(tmp_path: Path) -> None:
    check_gguf(written(tmp_path, gguf(version=2)))
    for alignment in (1, 8, 64, 4096):
        data = gguf(number("general.alignment", alignment), alignment=alignment)
        check_gguf(written(tmp_path, data))


def test_a_tensor_of_no_dimensions_is_one_number(tmp_path: Path) -> None:
    assert read_header(written(tmp_path, gguf(tensors=(tensor(dimensions=()),)))).parameters == 1


def test_what_is_long_is_passed_by(tmp_path: Path) -> None:
    words = [f"word {n}" for n in range(KEPT_ELEMENTS + 1)]
    data = gguf(
        array("words", STRING, words),
        array("scores", INT32, range(KEPT_ELEMENTS + 1)),
        string("tokenizer", "x" * (KEPT_TEXT + 1)),
        string("after", "it"),
    )
    header = read_header(written(tmp_path, data))
    assert header.left_out == ("words", "scores", "tokenizer") and header.metadata == {"after": "it"}


def test_a_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, gguf(string("good", "é"), string("bad", b"\xff\xfe"))))
    assert header.mangled == {"bad"} and header.metadata["bad"] == "\ufffd\ufffd"


def test_there_are_enough_hostile_files() -> None:
    assert len(HOSTILE) >= 150
    assert len(set(HOSTILE.values())) == len(HOSTILE)
    assert len(TRUNCATED) > HEADER_BYTES


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelCorrupt) as caught:
        read_header(written(tmp_path, HOSTILE[name]))
    said = caught.value.message
    assert said.startswith("The model model.gguf cannot be used: ") and "\n" not in said and len(said) < 300
    assert caught.value.hint


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    for data in TRUNCATED.values():
        with pytest.raises(ModelCorrupt):
            check_gguf(written(tmp_path, data))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("magic b'GGML'", "it is not a GGUF file"),
        ("version 4", "version 4"),
        ("big-endian version 3", "big-endian"),
        ("9223372036854775808 tensors", "9223372036854775808 tensors"),
        ("the same key twice", "the key 'a' twice"),
        ("an array of arrays", "an array of arrays"),
        ("alignment 3", "alignment 3"),
        ("a tensor of type 4", "a tensor of type 4"),
        ("two tensors of one name", "two tensors named 'weight'"),
        ("tensors that overlap", "'b' overlaps"),
        ("no data at all", "the file is cut short"),
    ],
)
def test_the_reason_is_the_true_one(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ModelCorrupt, match=reason):
        check_gguf(written(tmp_path, HOSTILE[name]))


def test_a_folder_a_pipe_or_nothing_is_missing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    for path in (tmp_path, tmp_path / "none.gguf", tmp_path / "pipe.gguf", tmp_path / "nul\0.gguf", Path("/dev/zero")):
        with pytest.raises(ModelMissing):
            check_gguf(path)


def test_a_header_may_have_so_many_bytes_and_no_more(tmp_path: Path) -> None:
    path = written(tmp_path, gguf(pair("x", STRING, struct.pack("<Q", MOST_HEADER))))
    os.truncate(path, 4 * MOST_HEADER)
    with pytest.raises(ModelCorrupt, match="longer than"):
        check_gguf(path)


def test_a_sparse_file_costs_no_memory(tmp_path: Path) -> None:
    """A hole of a terabyte in which every length is 0."""
    path = written(tmp_path, b"GGUF" + struct.pack("<IQQ", 3, 60_000, 8000))
    os.truncate(path, 2**40)
    tracemalloc.start()
    try:
        with pytest.raises(ModelCorrupt):
            check_gguf(path)
        assert tracemalloc.get_traced_memory()[1] < 2 * MOST_HEADER
    finally:
        tracemalloc.stop()


def test_a_vocabulary_of_nothing_has_an_end(tmp_path: Path) -> None:
    path = written(tmp_path, gguf(pair("x", ARRAY, struct.pack("<IQ", STRING, 2**32))))
    os.truncate(path, 2**40)
    with pytest.raises(ModelCorrupt, match="texts in an array"):
        check_gguf(path)


class TestParts:
    def test_all_are_read(self, tmp_path: Path) -> None:
        paths = split_model(tmp_path, "big")
        header = read_header(paths[0])
        assert header.files == tuple(paths) == part_paths(paths[2])
        assert header.tensor_count == 11
        assert header.size_bytes == sum(path.stat().st_size for path in paths)

    def test_one_that_is_missing_is_named(self, tmp_path: Path) -> None:
        paths = split_model(tmp_path, "big")
        paths[1].unlink()
        with pytest.raises(ModelCorrupt, match=r"big-00002-of-00003\.gguf is missing"):
            read_header(paths[0])

    def test_one_that_is_cut_short_is_named(self, tmp_path: Path) -> None:
        paths = split_model(tmp_path, "big")
        paths[2].write_bytes(paths[2].read_bytes()[:-64])
        with pytest.raises(ModelCorrupt, match=r"big-00003-of-00003\.gguf cannot be used"):
            read_header(paths[0])

    def test_one_that_is_another_one(self, tmp_path: Path) -> None:
        paths = split_model(tmp_path, "big")
        paths[2].write_bytes(paths[1].read_bytes())
        with pytest.raises(ModelCorrupt, match="is not part 3 of 3"):
            read_header(paths[0])

    def test_not_the_first_or_under_another_name(self, tmp_path: Path) -> None:
        paths = split_model(tmp_path, "big")
        with pytest.raises(ModelCorrupt, match="not the first"):
            read_header(paths[1])
        other = tmp_path / "renamed.gguf"
        other.write_bytes(paths[0].read_bytes())
        with pytest.raises(ModelCorrupt, match="its name does not say so"):
            read_header(other)

    def test_the_same_tensor_in_two_parts(self, tmp_path: Path) -> None:
        for part in (0, 1):
            values = [number("split.no", part, UINT16), number("split.count", 2, UINT16)]
            written(tmp_path, gguf(*values), f"twice-0000{part + 1}-of-00002.gguf")
        with pytest.raises(ModelCorrupt, match="two tensors named"):
            read_header(tmp_path / "twice-00001-of-00002.gguf")

    @pytest.mark.parametrize("count", [2**16 - 1, 2**31, 2**63])
    def test_a_count_that_cannot_be(self, tmp_path: Path, count: int) -> None:
        data = gguf(number("split.no", 0), number("split.count", count, UINT64))
        with pytest.raises(ModelCorrupt):
            read_header(written(tmp_path, data, "x-00001-of-00002.gguf"))

    def test_a_first_part_may_have_no_tensors(self, tmp_path: Path) -> None:
        def values(part: int) -> list[bytes]:
            return [number("split.no", part, UINT16), number("split.count", 2, UINT16)]

        written(tmp_path, gguf(*values(0), tensors=(), data=b""), "head-00001-of-00002.gguf")
        written(tmp_path, gguf(*values(1)), "head-00002-of-00002.gguf")
        assert read_header(tmp_path / "head-00001-of-00002.gguf").tensor_count == 1

    def test_a_name_that_only_looks_like_a_part(self, tmp_path: Path) -> None:
        path = written(tmp_path, SMALL, "x-00001-of-00001.gguf")
        assert read_header(path).files == (path,)


MODEL = small_model()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=600, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8),
    end=st.one_of(st.just(len(MODEL)), st.integers(0, len(MODEL))),
)
def test_no_change_of_bytes_does_worse_than_be_refused(
    tmp_path: Path, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(MODEL)
    for at, to in changes:
        data[at % len(data)] = to
    path = written(tmp_path, bytes(data[:end]))
    try:
        header = read_header(path)
    except ModelCorrupt as error:
        assert "\n" not in error.message
    else:
        assert isinstance(header, Header) and 0 < header.parameters <= len(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), counts=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_noise_behind_the_counts_is_refused(tmp_path: Path, data: bytes, counts: tuple[int, int]) -> None:
    path = written(tmp_path, b"GGUF" + struct.pack("<IQQ", 3, *counts) + data)
    try:
        read_header(path)
    except ModelCorrupt:
        return


def test_the_beginning_of_a_file_is_enough(tmp_path: Path) -> None:
    """A model whose pieces have not been joined yet."""
    piece = written(tmp_path, SMALL[: HEADER_BYTES + 8], "piece.part00")
    with pytest.raises(ModelCorrupt):
        read_header(piece)
    assert read_header(piece, size=len(SMALL)).tensor_count == 2
