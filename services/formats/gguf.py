"""Looks through a GGUF file's header before native code does: a model file is untrusted input.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from services.formats.gguf_cursor import UINT32, Cursor, Damaged, Value
from services.formats.gguf_tensors import MOST_TENSORS, Tensor, check_places, read_tensors, refuse_doubles
from solo.isolation.engine import ModelCorrupt, ModelMissing

MAGIC = int.from_bytes(b"GGUF", "little")
VERSIONS = (2, 3)
SMALLEST = 24
"""Bytes of magic, version and the two counts."""
MOST_VALUES = 8192
"""Values of metadata; usual models have 20 to 60."""
MOST_KEY = 1024
"""Bytes of a key; the format allows 65 535, models use some 50."""
MOST_ALIGNMENT = 1024**2
MOST_PARTS = 512
PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
"""How a file of a split model is called."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a model file says of itself. Nothing in it is to be trusted but that it lies within the file."""

    version: int
    metadata: Mapping[str, Value]
    """Without what is long, such as the vocabulary. Texts that are not UTF-8 have replacement characters."""
    left_out: tuple[str, ...]
    """Keys of what is too long to be kept."""
    mangled: frozenset[str]
    """Keys of texts that are not UTF-8."""
    tensor_count: int
    parameters: int
    """Elements of all tensors."""
    types: Mapping[str, int]
    """Elements by tensor type, such as `Q4_K`."""
    size_bytes: int
    """Of the file, or of all parts together."""
    files: tuple[Path, ...]
    """The file, or all parts in order."""


def check_gguf(path: Path) -> None:
    """Raise `ModelMissing` or `ModelCorrupt` unless `path` is a GGUF whose header and tensors lie within the file."""
    read_header(path)


def read_header(path: Path, *, size: int | None = None) -> Header:
    """The header of a model; of a split one `path` is the first part, and all are read.

    `size`: bytes of the whole file, where `path` holds its beginning only. Raises `ModelMissing` or `ModelCorrupt`;
    work and memory are bounded, whatever the file holds.
    """
    first, tensors = _read_file(path, size)
    count = _number(first.metadata, "split.count")
    if count is None or count <= 1:
        if not tensors:
            raise _corrupt(path, "its header is damaged (0 tensors)")
        return first
    return _joined(path, first, tensors, count)


def part_paths(path: Path) -> tuple[Path, ...]:
    """All parts of the split model of which this is one, whether they are there or not; itself when it is no part."""
    named = PART.fullmatch(path.name)
    if named is None or not 1 < int(named["count"]) <= MOST_PARTS:
        return (path,)
    count = int(named["count"])
    ending = path.name[-5:]
    return tuple(path.with_name(f"{named['stem']}-{number:05}-of-{count:05}{ending}") for number in range(1, count + 1))


def _joined(path: Path, first: Header, tensors: list[Tensor], count: int) -> Header:
    parts = part_paths(path)
    if len(parts) != count:
        raise _corrupt(path, f"it is one of {count} parts, and its name does not say so")
    if parts[0] != path or _number(first.metadata, "split.no") != 0:
        raise _corrupt(path, f"it is not the first of its {count} parts")
    names = [tensor.name for tensor in tensors]
    types, size = Counter(first.types), first.size_bytes
    for number, part in enumerate(parts[1:], 1):
        if not part.is_file():
            raise _corrupt(path, f"its part {part.name} is missing")
        header, more = _read_file(part, None)
        if (_number(header.metadata, "split.no"), _number(header.metadata, "split.count")) != (number, count):
            raise _corrupt(path, f"{part.name} is not part {number + 1} of {count}")
        names.extend(tensor.name for tensor in more)
        types.update(header.types)
        size += header.size_bytes
    wanted = _number(first.metadata, "split.tensors.count")
    if not names or (wanted is not None and wanted != len(names)):
        raise _corrupt(path, f"its parts have {len(names)} tensors, not {wanted}")
    try:
        refuse_doubles(names)
    except Damaged as error:
        raise _corrupt(path, f"its header is damaged ({error})") from None
    return replace(first, tensor_count=len(names), parameters=types.total(), types=types, size_bytes=size, files=parts)


def _read_file(path: Path, size: int | None) -> tuple[Header, list[Tensor]]:
    try:
        # Not to wait for ever where it is a pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except PermissionError:
        raise ModelMissing(
            f"The model file {path} may not be read", hint="Give Solo's user the right to read it."
        ) from None
    except (OSError, ValueError):
        raise _missing(path) from None
    known = os.fstat(descriptor)
    if not stat.S_ISREG(known.st_mode):
        os.close(descriptor)
        raise _missing(path)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        whole = known.st_size if size is None else size
        if whole < SMALLEST:
            raise _corrupt(path, f"it has {whole} bytes")
        cursor = Cursor(file, whole)
        try:
            cursor.need(SMALLEST)
            return _read(cursor, path, whole)
        except Damaged as error:
            said = str(error)
            raise _corrupt(path, said if said.startswith("its ") else f"its header is damaged ({said})") from None
        except OSError as error:
            raise _corrupt(path, f"it cannot be read ({error.strerror or error})") from None


def _read(cursor: Cursor, path: Path, size: int) -> tuple[Header, list[Tensor]]:
    if cursor.number("I") != MAGIC:
        raise _corrupt(path, "it is not a GGUF file")
    version = cursor.number("I")
    if version not in VERSIONS:
        if int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS:
            raise _corrupt(path, "it is a big-endian GGUF, made for other processors")
        raise Damaged(f"version {version}")
    count, values = cursor.number("Q"), cursor.number("Q")
    # No entry is shorter than its length field, type and one byte: larger counts cannot be true.
    if count > min(MOST_TENSORS, size // 24) or values > min(MOST_VALUES, size // 13):
        raise Damaged(f"{count} tensors and {values} values in {size} bytes")
    metadata, left_out, mangled = _metadata(cursor, values)
    alignment = _alignment(metadata)
    tensors = read_tensors(cursor, count, alignment)
    if tensors:
        check_places(tensors, -(-cursor.at // alignment) * alignment, size)
    types: Counter[str] = Counter()
    for tensor in tensors:
        types[tensor.type] += tensor.elements
    header = Header(
        version=version,
        metadata=metadata,
        left_out=tuple(left_out),
        mangled=frozenset(mangled),
        tensor_count=len(tensors),
        parameters=types.total(),
        types=types,
        size_bytes=size,
        files=(path,),
    )
    return header, tensors


def _metadata(cursor: Cursor, count: int) -> tuple[dict[str, Value], list[str], list[str]]:
    metadata: dict[str, Value] = {}
    left_out: list[str] = []
    mangled: list[str] = []
    seen: set[str] = set()
    for _ in range(count):
        raw = cursor.text(MOST_KEY, "a key")
        try:
            key = raw.decode()
        except UnicodeDecodeError:
            raise Damaged("a key that is not UTF-8") from None
        if not key:
            raise Damaged("a key without a name")
        if key in seen:
            raise Damaged(f"the key {key!r} twice")
        seen.add(key)
        kind = cursor.number("I")
        if key == "general.alignment" and kind != UINT32:
            raise Damaged(f"an alignment of type {kind}")
        cursor.mangled = False
        value = cursor.value(kind)
        if cursor.mangled:
            mangled.append(key)
        if value is not None:
            metadata[key] = value
        else:
            left_out.append(key)
    return metadata, left_out, mangled


def _alignment(metadata: Mapping[str, Value]) -> int:
    alignment = _number(metadata, "general.alignment")
    if alignment is None:
        return 32
    if not 0 < alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
        raise Damaged(f"alignment {alignment}")
    return alignment


def _number(metadata: Mapping[str, Value], key: str) -> int | None:
    value = metadata.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _missing(path: Path) -> ModelMissing:
    return ModelMissing(
        f"There is no model file at {path}", hint="Put a GGUF there, or set the path of one that exists."
    )


def _corrupt(path: Path, why: str) -> ModelCorrupt:
    return ModelCorrupt(f"The model {path.name} cannot be used: {why}", hint="Fetch or copy the file again.")
