"""Model files that mean harm, or are broken: every one must be refused with a reason."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from tests.gguf_files import (
    ARRAY,
    BOOL,
    F16,
    F32,
    FLOAT32,
    FLOAT64,
    INT8,
    INT32,
    INT64,
    Q4_0,
    Q4_K,
    Q8_0,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    array,
    gguf,
    number,
    pair,
    string,
    tensor,
    text,
)  # fmt: skip

SMALL = gguf(
    string("general.architecture", "llama"),
    number("general.alignment", 32),
    array("words", STRING, ["a", "b"]),
    array("numbers", UINT32, [1, 2]),
    tensors=(tensor("one"), tensor("two", offset=32)),
    data=bytes(64),
)
"""A header in order, of a model without anything in it."""
HEADER_BYTES = len(SMALL) - 64
HUGE = (2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1)
FIXED = (UINT8, INT8, UINT16, UINT32, INT32, FLOAT32, BOOL, UINT64, INT64, FLOAT64)


def hostile() -> dict[str, bytes]:
    """Files by what is wrong with them. What is truncated has its own list."""
    return dict(_all())


def truncated() -> dict[str, bytes]:
    """The small file, cut at every byte of its header and at some of its data."""
    ends = [*range(HEADER_BYTES + 1), *range(HEADER_BYTES + 8, len(SMALL), 8), len(SMALL) - 1]
    return {f"cut at {end}": SMALL[:end] for end in ends}


def _all() -> Iterator[tuple[str, bytes]]:
    yield from _beginnings()
    yield from _counts()
    yield from _keys()
    yield from _values()
    yield from _alignments()
    yield from _tensors()
    yield from _places()


def _beginnings() -> Iterator[tuple[str, bytes]]:
    noise = random.Random(2).randbytes
    yield "empty", b""
    yield "one byte", b"G"
    yield "magic only", b"GGUF"
    for magic in (b"GGML", b"GGJT", b"gguf", b"FUGG", b"GGUE", b"\0\0\0\0", b"PK\3\4", b"\x7fELF", b"<htm", b"\x89PNG"):
        yield f"magic {magic!r}", magic + SMALL[4:]
    for version in (0, 1, 4, 5, 255, 2**16, 2**24, 2**31, 2**32 - 1):
        yield f"version {version}", gguf(version=version)
    for version in (2, 3):
        yield f"big-endian version {version}", gguf(version=int.from_bytes(struct.pack(">I", version), "little"))
    yield "text", b"this is not a model\n" * 100
    yield "noise", noise(4096)
    for seed in range(8):
        yield f"magic and noise {seed}", b"GGUF" + random.Random(seed).randbytes(4096)
        yield f"version and noise {seed}", b"GGUF" + struct.pack("<I", 3) + random.Random(seed).randbytes(4096)
        counts = struct.pack("<IQQ", 3, 1, 1 + seed)
        yield f"counts and noise {seed}", b"GGUF" + counts + random.Random(seed).randbytes(4096)
    yield "zeros", bytes(4096)
    yield "ones", b"\xff" * 4096


def _counts() -> Iterator[tuple[str, bytes]]:
    yield "no tensors", gguf(tensors=())
    for count in HUGE:
        yield f"{count} tensors", gguf(counts=(count, 0))
        yield f"{count} values", gguf(counts=(1, count))
    yield "one tensor too many", gguf(tensors=(tensor(),), counts=(2, 0), data=b"")
    yield "one value too many", gguf(string("a", "b"), counts=(1, 2))
    yield "both counts huge", gguf(counts=(2**63, 2**63))
    yield "many values", gguf(*(number(f"k{n}", n) for n in range(9000)))
    yield "many tensors", gguf(tensors=[tensor(f"t{n}", offset=32 * n) for n in range(66_000)], data=bytes(66_000 * 32))


def _keys() -> Iterator[tuple[str, bytes]]:
    for length in HUGE:
        yield f"a key of {length} bytes", gguf(struct.pack("<Q", length) + bytes(64))
    yield "a long key", gguf(string("k" * 70_000, "x"))
    yield "a key without a name", gguf(string("", "x"))
    yield "a key that is not UTF-8", gguf(string(b"\xff\xfe", "x"))
    yield "a key of half a character", gguf(string(b"general.\xe2\x82", "x"))
    yield "the same key twice", gguf(string("a", "x"), string("a", "x"))
    yield "the architecture twice", gguf(string("general.architecture", "llama"), string("general.architecture", "x"))
    yield "the template twice", gguf(string("tokenizer.chat_template", "a"), string("tokenizer.chat_template", "b"))
    yield "the alignment twice", gguf(number("general.alignment", 32), number("general.alignment", 64))


def _values() -> Iterator[tuple[str, bytes]]:
    for kind in (13, 14, 100, 255, 2**31, 2**32 - 1):
        yield f"a value of type {kind}", gguf(pair("x", kind, bytes(64)))
        yield f"an array of type {kind}", gguf(pair("x", ARRAY, struct.pack("<IQ", kind, 1) + bytes(64)))
    for length in HUGE:
        yield f"a text of {length} bytes", gguf(pair("x", STRING, struct.pack("<Q", length)))
        yield f"an array of {length} texts", gguf(pair("x", ARRAY, struct.pack("<IQ", STRING, length)))
        one = struct.pack("<IQQ", STRING, 1, length)
        yield f"an array with a text of {length} bytes", gguf(pair("x", ARRAY, one))
        many = struct.pack("<IQ", STRING, 1000) + text("x") * 999 + struct.pack("<Q", length)
        yield f"a vocabulary that ends in a text of {length} bytes", gguf(pair("x", ARRAY, many))
    for kind in FIXED:
        yield f"an array of 2**61 of type {kind}", gguf(pair("x", ARRAY, struct.pack("<IQ", kind, 2**61)))
        yield f"an array longer than the file of type {kind}", gguf(pair("x", ARRAY, struct.pack("<IQ", kind, 100_000)))
    yield "an array of arrays", gguf(pair("x", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ", UINT8, 0)))
    nested = struct.pack("<IQ", UINT8, 1) + b"x"
    for _ in range(1000):
        nested = struct.pack("<IQ", ARRAY, 1) + nested
    yield "arrays a thousand deep", gguf(pair("x", ARRAY, nested))
    yield "a text just beyond the end", gguf(pair("x", STRING, struct.pack("<Q", 4096)), data=bytes(64))


def _alignments() -> Iterator[tuple[str, bytes]]:
    for alignment in (0, 3, 5, 6, 24, 31, 33, 48, 2**31, 2**32 - 1):
        yield f"alignment {alignment}", gguf(number("general.alignment", alignment))
    yield "alignment as text", gguf(string("general.alignment", "32"))
    yield "alignment of 64 bits", gguf(number("general.alignment", 32, UINT64))
    yield "alignment as truth", gguf(number("general.alignment", True, BOOL))
    yield "alignment as fraction", gguf(number("general.alignment", 32.0, FLOAT32))
    yield "alignment as array", gguf(array("general.alignment", UINT32, [32]))


def _tensors() -> Iterator[tuple[str, bytes]]:
    for count in (5, 6, 255, 2**31, 2**32 - 1):
        header = text("x") + struct.pack("<I", count) + struct.pack("<Q", 1) * min(count, 8) + struct.pack("<IQ", 0, 0)
        yield f"a tensor of {count} dimensions", gguf(tensors=(header,))
    for shape in (
        (0,), (8, 0), (2**32, 2**32), (2**63,), (2**64 - 1,), (2**31, 2**31, 4), (2**16,) * 4, (2**41,),
        (2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1), (2**32, 2**32, 1, 0),
    ):  # fmt: skip
        yield f"a tensor of shape {shape}", gguf(tensors=(tensor(dimensions=shape),))
    for kind in (4, 5, 31, 32, 33, 36, 37, 38, 43, 44, 1000, 2**31, 2**32 - 1):
        yield f"a tensor of type {kind}", gguf(tensors=(tensor(kind=kind),))
    for kind, length in ((Q4_0, 31), (Q4_0, 33), (Q8_0, 16), (Q4_K, 255), (Q4_K, 32), (39, 31), (40, 32), (41, 64)):
        yield f"rows of {length} in type {kind}", gguf(tensors=(tensor(dimensions=(length,), kind=kind),))
    yield "a tensor without dimensions in blocks", gguf(tensors=(tensor(dimensions=(), kind=Q4_0),))
    yield "a tensor with a long name", gguf(tensors=(tensor("n" * 64),))
    yield "a tensor with a very long name", gguf(tensors=(tensor("n" * 100_000),))
    yield "a tensor name beyond the end", gguf(tensors=(struct.pack("<Q", 2**63) + bytes(60),))
    yield "two tensors of one name", gguf(tensors=(tensor(), tensor(offset=32)), data=bytes(64))


def _places() -> Iterator[tuple[str, bytes]]:
    for offset in (32, 64, 2**31, 2**32, 2**62, 2**63, 2**64 - 32):
        yield f"a tensor at {offset}", gguf(tensors=(tensor(offset=offset),))
    for offset in (1, 8, 31, 33):
        yield f"a tensor at {offset}, which is not aligned", gguf(tensors=(tensor(offset=offset),), data=bytes(128))
    yield (
        "at 32 with alignment 64",
        gguf(number("general.alignment", 64), tensors=(tensor(offset=32),), data=bytes(128), alignment=64),
    )
    yield "a tensor larger than the file", gguf(tensors=(tensor(dimensions=(1024, 1024)),))
    yield "the last tensor one element too large", gguf(tensors=(tensor(dimensions=(9,)),))
    yield "half precision, cut short", gguf(tensors=(tensor(dimensions=(64,), kind=F16),))
    yield "blocks cut short", gguf(tensors=(tensor(dimensions=(256, 4), kind=Q4_K),), data=bytes(575))
    yield "the same place twice", gguf(tensors=(tensor("a"), tensor("b")), data=bytes(64))
    yield "tensors that overlap", gguf(tensors=(tensor("a", (16,)), tensor("b", offset=32)), data=bytes(96))
    yield "tensors that overlap in reverse", gguf(tensors=(tensor("b", offset=32), tensor("a", (16,))), data=bytes(96))
    yield "a tensor inside another", gguf(tensors=(tensor("a", (64,)), tensor("b", offset=64)), data=bytes(256))
    yield "no data at all", gguf(data=b"")
    yield "the second tensor beyond the end", gguf(tensors=(tensor("a"), tensor("b", (8,), F32, 32)), data=bytes(63))
