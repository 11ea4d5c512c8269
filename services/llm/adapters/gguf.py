"""Looks through a GGUF file's header before native code does: a model file is untrusted input.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from solo.isolation.engine import ModelCorrupt, ModelMissing

VERSIONS = (2, 3)
SMALLEST = 24
"""Bytes of magic, version and the two counts."""
FIXED = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by its type number."""
STRING, ARRAY = 8, 9
MOST_DIMENSIONS = 4
MOST_ELEMENTS = 2**40
"""Elements of one tensor; far above any model, far below what overflows 64 bits when multiplied by a size."""


def check_gguf(path: Path) -> None:
    """Raise `ModelMissing` or `ModelCorrupt` unless `path` is a GGUF whose header lies within the file."""
    if not path.is_file():
        raise ModelMissing(
            f"There is no model file at {path}", hint="Put a GGUF there, or set the path of one that exists."
        )
    size = path.stat().st_size
    if size < SMALLEST:
        raise _corrupt(path, f"it has {size} bytes")
    if not os.access(path, os.R_OK):
        raise ModelMissing(f"The model file {path} may not be read", hint="Give Solo's user the right to read it.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise _corrupt(path, "it is not a GGUF file")
        try:
            _Header(data, size).check()
        except struct.error:
            raise _corrupt(path, f"its header goes on behind the end of the file ({size} bytes)") from None
        except ValueError as error:
            raise _corrupt(path, f"its header is damaged ({error})") from None


def _corrupt(path: Path, why: str) -> ModelCorrupt:
    return ModelCorrupt(f"The model {path.name} cannot be used: {why}", hint="Fetch or copy the file again.")


class _Header:
    def __init__(self, data: mmap.mmap, size: int) -> None:
        self._data = data
        self._size = size
        self._at = 4

    def check(self) -> None:
        version = self._number("<I", 4)
        if version not in VERSIONS:
            raise ValueError(f"version {version}")
        tensors, values = self._number("<Q", 8), self._number("<Q", 8)
        # No entry is shorter than its length field, type and one byte: larger counts cannot be true.
        if not 0 < tensors <= self._size // 24 or values > self._size // 13:
            raise ValueError(f"{tensors} tensors and {values} values in {self._size} bytes")
        alignment = 32
        for _ in range(values):
            key = self._string()
            kind = self._number("<I", 4)
            if key == b"general.alignment" and kind == 4:
                alignment = int.from_bytes(self._data[self._at : self._at + 4], "little")
                if alignment == 0 or alignment & (alignment - 1):
                    raise ValueError(f"alignment {alignment}")
            self._skip_value(kind)
        farthest = 0
        for _ in range(tensors):
            farthest = max(farthest, self._tensor(alignment))
        begin = -(-self._at // alignment) * alignment
        if begin + farthest >= self._size:
            raise ValueError(f"tensors up to byte {begin + farthest} of {self._size}: the file is cut short")

    def _tensor(self, alignment: int) -> int:
        self._string()
        dimensions = self._number("<I", 4)
        if dimensions > MOST_DIMENSIONS:
            raise ValueError(f"a tensor of {dimensions} dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= self._number("<Q", 8)
        if not 0 < elements <= MOST_ELEMENTS:
            raise ValueError(f"a tensor of {elements} elements")
        self._number("<I", 4)
        offset = self._number("<Q", 8)
        if offset % alignment:
            raise ValueError(f"a tensor at offset {offset}, not aligned to {alignment}")
        return offset

    def _skip_value(self, kind: int) -> None:
        if kind in FIXED:
            self._skip(FIXED[kind])
        elif kind == STRING:
            self._string()
        elif kind == ARRAY:
            kind, count = self._number("<I", 4), self._number("<Q", 8)
            if kind in FIXED:
                self._skip(FIXED[kind] * count)
            elif kind == STRING:
                self._skip_strings(count)
            else:
                raise ValueError(f"an array of type {kind}")
        else:
            raise ValueError(f"a value of type {kind}")

    def _skip_strings(self, count: int) -> None:
        # A vocabulary has some 100 000 of them: local names halve the time.
        data, at, size, read = self._data, self._at, self._size, struct.Struct("<Q").unpack_from
        if count > size // 8:
            raise ValueError(f"{count} strings in {size} bytes")
        for _ in range(count):
            at += 8 + read(data, at)[0]
            if at > size:
                raise ValueError("a string beyond the end of the file")
        self._at = at

    def _string(self) -> bytes:
        length = self._number("<Q", 8)
        start = self._at
        self._skip(length)
        return self._data[start : self._at] if length <= 64 else b""

    def _skip(self, length: int) -> None:
        self._at += length
        if self._at > self._size:
            raise ValueError("a value beyond the end of the file")

    def _number(self, form: str, length: int) -> int:
        start = self._at
        self._skip(length)
        number: int = struct.unpack_from(form, self._data, start)[0]
        return number
