"""Server-sent events out of the bytes of a response."""

from __future__ import annotations

from services.llm.remote import RemoteFailed

MOST_LINE = 4 * 1024 * 1024
"""Bytes of one event; a token with all its logprobs takes some thousand, a tool's arguments come in one at worst."""
_BOM = b"\xef\xbb\xbf"


class Events:
    """Fed with bytes as they come, cut anywhere; gives the data of each event that is complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._looked = 0
        """So much of the rest has no end of a line in it."""
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises RemoteFailed when one event grows too large."""
        if not self._begun and chunk:
            self._begun = True
            chunk = chunk.removeprefix(_BOM)
        if self._after_cr or b"\r" in chunk:
            chunk = self._plain(chunk)
        self._rest += chunk
        found: list[bytes] = []
        begin = 0
        while (end := self._rest.find(b"\n", max(begin, self._looked))) >= 0:
            self._line(bytes(self._rest[begin:end]), found)
            begin = self._looked = end + 1
        del self._rest[:begin]
        self._looked = len(self._rest)
        self._check(self._looked + self._size)
        return found

    def end(self) -> list[bytes]:
        """What was not ended by an empty line."""
        found: list[bytes] = []
        self._line(bytes(self._rest), found)
        self._line(b"", found)
        self._rest.clear()
        return found

    def _plain(self, chunk: bytes) -> bytes:
        """Every end of a line as LF, whether it came as LF, CR LF or CR."""
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes, found: list[bytes]) -> None:
        if line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
            self._check(self._size)
        elif line.startswith(b"error:"):  # older llama.cpp servers: a field of its own instead of data
            self._data.append(b'{"error":' + line[6:] + b"}")
        elif not line and self._data:
            found.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
            self._data.clear()
            self._size = 0

    @staticmethod
    def _check(size: int) -> None:
        if size > MOST_LINE:
            raise RemoteFailed(
                f"the server sent an event of more than {MOST_LINE // 1024**2} MiB",
                hint="Look at what the server answers; it is not a stream of tokens.",
            )
