"""The tensors that a GGUF header names: their types, and whether they lie within the file and apart from each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.formats.gguf_cursor import Cursor, Damaged

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}
"""Name, elements of a block and bytes of a block by type number, as ggml 0.25's `ggml_type_name`, `ggml_blck_size` and
`ggml_type_size` say; numbers left out were given up."""
MOST_TENSORS = 65_536
MOST_DIMENSIONS = 4
MOST_NAME = 63
"""Bytes (GGML_MAX_NAME, with its NUL, is 64)."""
MOST_ELEMENTS = 2**40
"""Elements of one tensor; far above any model, far below what overflows 64 bits when multiplied by a size."""


class Tensor(NamedTuple):
    name: bytes
    type: str
    elements: int
    offset: int
    """Bytes behind the beginning of the data."""
    size: int
    """Bytes."""


def read_tensors(cursor: Cursor, count: int, alignment: int) -> list[Tensor]:
    """The next `count` of them. Raises `Damaged`."""
    tensors = [_read(cursor, alignment) for _ in range(count)]
    refuse_doubles(tensor.name for tensor in tensors)
    return tensors


def refuse_doubles(names: Iterable[bytes]) -> None:
    """Raises `Damaged` when a name comes twice."""
    seen: set[bytes] = set()
    for name in names:
        if name in seen:
            raise Damaged(f"two tensors named {name.decode(errors='replace')!r}")
        seen.add(name)


def check_places(tensors: list[Tensor], begin: int, size: int) -> int:
    """Where the data ends, in bytes of the file. Raises `Damaged` where they overlap or leave a file of `size`."""
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        name = tensor.name.decode(errors="replace")
        if tensor.offset < end:
            raise Damaged(f"the tensor {name!r} overlaps another one")
        end = tensor.offset + tensor.size
        if begin + end > size:
            raise Damaged(f"the tensor {name!r} ends at byte {begin + end} of {size}: the file is cut short")
    return begin + end


def _read(cursor: Cursor, alignment: int) -> Tensor:
    name = cursor.text(MOST_NAME, "the name of a tensor")
    if not name:
        raise Damaged("a tensor without a name")
    dimensions = cursor.number("I")
    if dimensions > MOST_DIMENSIONS:
        raise Damaged(f"a tensor of {dimensions} dimensions")
    shape = [cursor.number("Q") for _ in range(dimensions)]
    elements = 1
    for length in shape:
        elements *= length
    if not 0 < elements <= MOST_ELEMENTS:
        raise Damaged(f"a tensor of {elements} elements")
    number, offset = cursor.number("I"), cursor.number("Q")
    if number not in TYPES:
        raise Damaged(f"a tensor of type {number}")
    kind, block, block_bytes = TYPES[number]
    if (shape[0] if shape else 1) % block:
        raise Damaged(
            f"a tensor with rows of {shape[0] if shape else 1} elements of type {kind}, whose blocks have {block}"
        )
    if offset % alignment:
        raise Damaged(f"a tensor at offset {offset}, not aligned to {alignment}")
    return Tensor(name, kind, elements, offset, elements // block * block_bytes)
