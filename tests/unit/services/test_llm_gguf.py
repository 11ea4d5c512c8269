"""A model file's header is looked through before native code reads it."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.formats.gguf import check_gguf
from solo.isolation.engine import ModelCorrupt, ModelMissing

UINT32, STRING, ARRAY = 4, 8, 9


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def value(key: str, kind: int, data: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + data


def tensor(offset: int = 0, dimensions: tuple[int, ...] = (8,)) -> bytes:
    shape = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return text("weight") + shape + struct.pack("<IQ", 0, offset)


def gguf(
    *values: bytes, tensors: tuple[bytes, ...] = (tensor(),), version: int = 3, counts: tuple[int, int] | None = None
) -> bytes:
    n_tensors, n_values = counts or (len(tensors), len(values))
    header = b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_values) + b"".join(values) + b"".join(tensors)
    return header + bytes(-len(header) % 32 + 32)


WORDS = value("words", ARRAY, struct.pack("<IQ", STRING, 2) + text("a") + text("b"))
NUMBERS = value("numbers", ARRAY, struct.pack("<IQ", UINT32, 2) + bytes(8))
GOOD = gguf(
    value("general.name", STRING, text("tiny")),
    value("general.alignment", UINT32, struct.pack("<I", 32)),
    WORDS,
    NUMBERS,
)


def checked(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    check_gguf(path)


def test_a_sound_header_passes(tmp_path: Path) -> None:
    checked(tmp_path, GOOD)


@pytest.mark.parametrize(
    "damaged",
    {
        "empty": b"",
        "short": b"GGUF",
        "magic": b"GGML" + GOOD[4:],
        "version": gguf(version=1),
        "other byte order": gguf(version=0x03000000),
        "no tensors": gguf(tensors=()),
        "many tensors": gguf(counts=(2**63, 0)),
        "many values": gguf(counts=(1, 2**63)),
        "long key": gguf(struct.pack("<Q", 2**63)),
        "unknown type": gguf(value("x", 13, b"")),
        "long string": gguf(value("x", STRING, struct.pack("<Q", 2**64 - 8))),
        "long array": gguf(value("x", ARRAY, struct.pack("<IQ", UINT32, 2**62))),
        "long array of strings": gguf(value("x", ARRAY, struct.pack("<IQ", STRING, 2**62))),
        "long string in array": gguf(value("x", ARRAY, struct.pack("<IQ", STRING, 1) + struct.pack("<Q", 2**62))),
        "array of arrays": gguf(value("x", ARRAY, struct.pack("<IQ", ARRAY, 1))),
        "odd alignment": gguf(value("general.alignment", UINT32, struct.pack("<I", 24))),
        "no alignment": gguf(value("general.alignment", UINT32, struct.pack("<I", 0))),
        "many dimensions": gguf(tensors=(tensor(dimensions=(1,) * 5),)),
        "overflow": gguf(tensors=(tensor(dimensions=(2**32, 2**32)),)),
        "empty tensor": gguf(tensors=(tensor(dimensions=(0,)),)),
        "offset beyond the end": gguf(tensors=(tensor(offset=64),)),
        "offset not aligned": gguf(tensors=(tensor(offset=8),)),
        "cut short": GOOD[:-32],
    }.items(),
    ids=lambda item: item[0],
)
def test_a_damaged_header_is_refused(tmp_path: Path, damaged: tuple[str, bytes]) -> None:
    with pytest.raises(ModelCorrupt) as caught:
        checked(tmp_path, damaged[1])
    assert caught.value.message.startswith("The model model.gguf cannot be used") and "\n" not in caught.value.message
    assert caught.value.hint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(at=st.integers(4, len(GOOD) - 1), to=st.integers(0, 255), end=st.integers(24, len(GOOD)))
def test_no_change_of_bytes_does_worse_than_be_refused(tmp_path: Path, at: int, to: int, end: int) -> None:
    data = bytearray(GOOD)
    data[at] = to
    with contextlib.suppress(ModelCorrupt):
        checked(tmp_path, bytes(data[:end]))


def test_a_folder_or_nothing_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.gguf"):
        with pytest.raises(ModelMissing):
            check_gguf(path)
