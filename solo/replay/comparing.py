"""Two runs as lines of text: what was told, in order, without ids and times, which are never the same twice."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from solo.replay.sounds import REFERENCE, with_sounds

_NEVER = frozenset({"id", "cause", "monotonic", "wall", "at"})
"""Of messages and of what is in them."""
GROWS = "delta"
"""A field of facts that follow each other: their texts are one."""
_MOST_TEXT = 400


@dataclass(slots=True)
class _Names:
    """Ids by which they are the first, the second ... to be heard of."""

    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, what: str, name: str) -> str:
        known = self.known.setdefault(what, {})
        return known.setdefault(name, f"{what} {len(known) + 1}")


def told(facts: Iterable[tuple[str, str, dict[str, Any]]], books: Mapping[str, bytes]) -> list[str]:
    """Facts as (by, kind, fields), one line each; those that only grow a text are one line together."""
    names = _Names()
    lines: list[str] = []
    growing: tuple[str, str] | None = None
    for by, kind, fields in facts:
        text = fields.get(GROWS)
        if isinstance(text, str):
            if growing == (by, kind):
                lines[-1] += text
                continue
            growing = (by, kind)
            lines.append(f"{by}: {kind} {text}")
            continue
        growing = None
        shown = ", ".join(_shown(fields, names, books))
        lines.append(f"{by}: {kind} {shown}".rstrip())
    return [line.rstrip() if len(line) <= _MOST_TEXT else _long(line) for line in lines]


def differences(recorded: list[str], replayed: list[str]) -> list[str]:
    """A unified diff; empty when they are the same."""
    return list(difflib.unified_diff(recorded, replayed, "recorded", "replayed", lineterm="", n=2))


def _shown(fields: Mapping[str, Any], names: _Names, books: Mapping[str, bytes]) -> Iterable[str]:
    for name, value in fields.items():
        if name in _NEVER or value is None or isinstance(value, float):
            continue
        yield f"{name}={_value(name, value, names, books)}"


def _value(name: str, value: Any, names: _Names, books: Mapping[str, bytes]) -> str:
    if isinstance(value, str) and name.endswith(("turn_id", "_turn")):
        return names.of("turn", value)
    if isinstance(value, str) and name == "utterance":
        return names.of("utterance", value)
    if isinstance(value, dict):
        if set(value) == {REFERENCE}:
            return _sound(with_sounds(value, books))
        return "{" + ", ".join(_shown(value, names, books)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(name, each, names, books) for each in value if not isinstance(each, float)) + "]"
    return repr(value)


def _sound(pcm: bytes) -> str:
    return f"{len(pcm)} bytes {hashlib.sha256(pcm).hexdigest()[:8]}"


def _long(line: str) -> str:
    return f"{line[:_MOST_TEXT]} ... {hashlib.sha256(line.encode()).hexdigest()[:8]}"
