"""The wire between daemon and engine child: length-prefixed msgpack, sound and pictures as raw bytes."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, BinaryIO

import msgpack

from solo.errors import SoloError

LENGTH = struct.Struct(">I")
MOST_BYTES = 64 * 1024 * 1024
"""Larger frames are refused on both sides."""

Frame = dict[str, Any]


class BadFrame(SoloError):
    """The other side sent something that is not a frame."""

    code = "isolation.bad_frame"


def pack(frame: Frame) -> bytes:
    body: bytes = msgpack.packb(frame, use_bin_type=True)
    if len(body) > MOST_BYTES:
        raise BadFrame(f"a frame of {len(body)} bytes is over the limit of {MOST_BYTES}")
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Frame:
    try:
        frame = msgpack.unpackb(body, raw=False)
    except (ValueError, msgpack.exceptions.ExtraData, msgpack.exceptions.FormatError) as error:
        raise BadFrame(f"a frame of {len(body)} bytes is not msgpack: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("kind"), str):
        raise BadFrame("a frame has no kind")
    return frame


def _length(head: bytes) -> int:
    length: int = LENGTH.unpack(head)[0]
    if length > MOST_BYTES:
        raise BadFrame(f"a frame of {length} bytes is over the limit of {MOST_BYTES}")
    return length


async def receive(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None at the end of the stream, in mid-frame too (the other side is gone)."""
    try:
        return unpack(await reader.readexactly(_length(await reader.readexactly(LENGTH.size))))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def receive_blocking(pipe: BinaryIO) -> Frame | None:
    """The same for the child's reader thread."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    length = _length(head)
    body = pipe.read(length)
    return unpack(body) if len(body) == length else None
