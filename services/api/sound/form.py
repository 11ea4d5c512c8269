"""multipart/form-data read as it comes, in memory and within limits: sound never touches the disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import python_multipart
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from services.api.guard import TooLarge
from services.api.openai.errors import InvalidParameter

MOST_FILE_BYTES = 25 * 1024 * 1024
"""As OpenAI has it."""
OVERHEAD_BYTES = 128 * 1024
"""For the other fields, and what stands between the parts."""
MOST_PARTS = 32
MOST_FIELD_BYTES = 16 * 1024
_MOST_HEAD_BYTES = 4 * 1024
"""Of one part's headers together."""
_WITHIN_S = 300.0
"""Seconds for the whole upload."""


@dataclass(slots=True)
class Form:
    """`fields` by name, each with all its values in order; `file`: the bytes of the part named `file`."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: bytes | None = None

    def one(self, name: str) -> str | None:
        """The last value; None where the field is missing or empty."""
        return (self.fields.get(name) or [""])[-1] or None


async def read_form(request: Request) -> Form:
    """Raises `InvalidParameter`, `TooLarge`."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 256:
        raise InvalidParameter("The body is no form", hint="Send multipart/form-data with the sound as `file`.")
    reading = _Reading(boundary)
    try:
        async with asyncio.timeout(_WITHIN_S):
            async for chunk in request.stream():
                reading.feed(chunk)
    except ClientDisconnect as error:  # so the guard ends a body that grows too large; one who left hears nothing
        raise TooLarge(hint="Send less at once.") from error
    except TimeoutError as error:
        raise InvalidParameter(f"The upload was not over within {_WITHIN_S:.0f} s", hint="Send it faster.") from error
    return reading.end()


class _Reading:
    """Callbacks of python-multipart's parser, which calls them with slices of what it is fed."""

    def __init__(self, boundary: bytes) -> None:
        self._form = Form()
        self._parts = 0
        self._ended = False
        self._head = 0
        self._name = b""
        self._value = b""
        self._disposition = b""
        self._content = bytearray()
        self._most = 0
        self._field = ""
        self._parser = python_multipart.MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._part_data,
                "on_part_end": self._part_ends,
                "on_end": self._all_ends,
            },
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidParameter("The form is broken", hint="Send well-formed multipart/form-data.") from error

    def end(self) -> Form:
        if not self._ended:
            raise InvalidParameter("The form ends in the middle", hint="Send well-formed multipart/form-data.")
        return self._form

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise InvalidParameter(f"The form has more than {MOST_PARTS} parts", hint="Send fewer fields.")
        self._head = 0
        self._name = self._value = self._disposition = b""
        self._content = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._head_bytes(data, start, end)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._head_bytes(data, start, end)

    def _head_bytes(self, data: bytes, start: int, end: int) -> bytes:
        self._head += end - start
        if self._head > _MOST_HEAD_BYTES:
            raise InvalidParameter("The headers of a part of the form are too long", hint="Send plain names.")
        return data[start:end]

    def _header_ends(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if name is None:
            raise InvalidParameter("A part of the form has no name", hint="Send well-formed multipart/form-data.")
        self._field = name.decode("utf-8", "replace")
        self._most = MOST_FILE_BYTES if self._field == "file" else MOST_FIELD_BYTES

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if len(self._content) + end - start > self._most:
            if self._field == "file":
                raise TooLarge(
                    f"The file is larger than {MOST_FILE_BYTES // 1024**2} MiB.", hint="Compress it, or cut it."
                )
            raise InvalidParameter(f"The field is longer than {MOST_FIELD_BYTES} bytes", param=self._field[:100])
        self._content += memoryview(data)[start:end]

    def _part_ends(self) -> None:
        content = bytes(self._content)
        self._content = bytearray()
        if self._field == "file":
            if self._form.file is not None:
                raise InvalidParameter("There are two files", hint="Send one.", param="file")
            self._form.file = content
            return
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise InvalidParameter("The field is not UTF-8 text", param=self._field[:100]) from error
        self._form.fields.setdefault(self._field, []).append(text)

    def _all_ends(self) -> None:
        self._ended = True
