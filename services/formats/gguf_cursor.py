"""Reads the fields of a GGUF header one after the other, never beyond the file and never more than a header may have.

It reads, and does not map: a mapped file that somebody cuts short ends the process that looks at it.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

MOST_HEADER = 64 * 1024**2
"""Bytes of a header. Gemma 3, with 262 144 words, has 6.5 MB."""
KEPT_TEXT = 1024**2
"""Texts up to so many bytes are kept. The longest chat templates have some 20 kB; a tokenizer as JSON has more."""
MOST_STRINGS = 4_000_000
"""Texts in all arrays together: about half a second of looking."""
FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""`struct` code of a value by its type number."""
UINT32, BOOL, STRING, ARRAY = 4, 7, 8, 9
KEPT_ELEMENTS = 512
"""Arrays up to this length are kept: figures for each layer, lists of languages; not vocabularies."""
_FIRST_READ = 64 * 1024

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]


class Damaged(ValueError):
    """The header cannot be right; the message says why."""


class Cursor:
    def __init__(self, file: BinaryIO, size: int) -> None:
        """`size`: bytes of the whole file, of which `file` need hold the header only."""
        self.at = 0
        self.strings_left = MOST_STRINGS
        self.mangled = False
        """A text was not UTF-8, since somebody set this to False."""
        self._file = file
        self._size = size
        self._limit = min(size, MOST_HEADER)
        self._data = bytearray()

    def need(self, end: int) -> None:
        """Have the bytes up to `end` at hand. Raises `Damaged`."""
        if end > self._limit:
            if end > self._size:
                raise Damaged(f"its header goes on behind the end of the file ({self._size} bytes)")
            raise Damaged(f"its header is longer than {MOST_HEADER // 1024**2} MB")
        have = len(self._data)
        while have < end:
            self._data += self._file.read(max(end - have, have, _FIRST_READ))
            if len(self._data) == have:
                raise Damaged(f"its header goes on behind the end of the file ({have} bytes)")
            have = len(self._data)

    def number(self, code: str) -> int:
        """One whole number; `code` as in `struct`."""
        value: int = self._scalar(code)
        return value

    def text(self, most: int, what: str) -> bytes:
        """A text of at most so many bytes; `what` names it where it is longer."""
        length = self.number("Q")
        if length > most:
            raise Damaged(f"{what} of {length} bytes")
        start = self.at
        self.need(start + length)
        self.at = start + length
        return bytes(self._data[start : self.at])

    def value(self, kind: int) -> Value | None:
        """A value of the metadata; None: an array or text too long to be kept, which is only passed by."""
        if kind in FIXED:
            return self._scalar(FIXED[kind])
        if kind == STRING:
            return self._long_text()
        if kind != ARRAY:
            raise Damaged(f"a value of type {kind}")
        inner, count = self.number("I"), self.number("Q")
        if inner == STRING:
            return self._strings(count)
        if inner not in FIXED:
            raise Damaged("an array of arrays" if inner == ARRAY else f"an array of type {inner}")
        code = FIXED[inner]
        start, length = self.at, struct.calcsize(code) * count
        self.need(start + length)
        self.at = start + length
        return struct.unpack_from(f"<{count}{code}", self._data, start) if count <= KEPT_ELEMENTS else None

    def _scalar(self, code: str) -> int:
        start = self.at
        end = start + struct.calcsize(code)
        if end > len(self._data):
            self.need(end)
        self.at = end
        number: int = struct.unpack_from("<" + code, self._data, start)[0]
        return number

    def _long_text(self) -> str | None:
        length = self.number("Q")
        start = self.at
        self.need(start + length)
        self.at = start + length
        if length > KEPT_TEXT:
            return None
        raw = self._data[start : self.at]
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.mangled = True
            return raw.decode(errors="replace")

    def _strings(self, count: int) -> tuple[str, ...] | None:
        if count > self.strings_left or count > self._size // 8:
            raise Damaged(f"{count} texts in an array")
        self.strings_left -= count
        if count <= KEPT_ELEMENTS:
            texts = [self._long_text() for _ in range(count)]
            return tuple(text for text in texts if text is not None)
        # A vocabulary has some 100 000 of them: local names halve the time.
        data, at, have, read = self._data, self.at, len(self._data), struct.Struct("<Q").unpack_from
        for _ in range(count):
            if at + 8 > have:
                self.need(at + 8)
                have = len(data)
            at += 8 + read(data, at)[0]
        self.need(at)
        self.at = at
        return None
