"""Looks through a JSON schema before anything is made of it: it comes from a client, and may be of any shape."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from services.llm.adapters.grammars.merging import ANNOTATIONS, ARRAY, NUMBER, OBJECT, STRING, TYPES

LONGEST = 65_536
"""Characters of a schema as JSON."""
DEEPEST = 64
"""Brackets within brackets."""
KNOWN = ANNOTATIONS | OBJECT | ARRAY | STRING | NUMBER | {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})


class SchemaTrouble(ValueError):
    """Says what is wrong with a schema, and where."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


def check(schema: Any) -> None:
    """Raise `SchemaTrouble` for a schema that is too large, or has words or values that cannot be kept."""
    if not isinstance(schema, dict):
        raise SchemaTrouble("#", "a schema is an object")
    _check_depth(schema)
    try:
        length = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SchemaTrouble("#", f"it is no JSON ({error})") from None
    if length > LONGEST:
        raise SchemaTrouble("#", f"it has {length} characters, more than {LONGEST}")
    for where, part in parts(schema):
        if isinstance(part, dict):
            for key, value in part.items():
                _check_keyword(where, key, value)
        elif not isinstance(part, bool):
            raise SchemaTrouble(where, "a schema is an object")


def parts(schema: Any, where: str = "#") -> Iterator[tuple[str, Any]]:
    """A schema and every schema in it, each with its JSON pointer."""
    waiting = [(where, schema)]
    while waiting:
        where, part = waiting.pop()
        yield where, part
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            at = f"{where}/{_pointed(key)}"
            if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
                waiting += [(f"{at}/{_pointed(name)}", inner) for name, inner in value.items()]
            elif key in (_LISTS | {"items"}) and isinstance(value, list):
                waiting += [(f"{at}/{number}", inner) for number, inner in enumerate(value)]
            elif key in ("items", "additionalProperties", "additionalItems"):
                waiting.append((at, value))


def target(root: Any, where: str, ref: str) -> Any:
    """What a reference refers to."""
    if not ref.startswith("#"):
        raise SchemaTrouble(where, f"$ref {ref[:80]!r} leads out of the schema")
    found = root
    for step in filter(None, unquote(ref[1:]).split("/")):
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            raise SchemaTrouble(where, f"$ref {ref[:80]!r} leads nowhere")
    if not isinstance(found, (dict, bool)):
        raise SchemaTrouble(where, f"$ref {ref[:80]!r} leads to no schema")
    return found


def back_references(schema: Any) -> set[tuple[str, str]]:
    """References, from the one they are found under, that lead back to something they are part of."""
    leads: dict[str, list[str]] = {}
    waiting = ["#"]
    while waiting:
        ref = waiting.pop()
        if ref in leads:
            continue
        within = schema if ref == "#" else target(schema, ref, ref)
        if ref == "#" and isinstance(within, dict):
            within = {key: value for key, value in within.items() if key not in ("$defs", "definitions")}
        found = [part["$ref"] for _, part in parts(within) if isinstance(part, dict) and "$ref" in part]
        leads[ref] = list(dict.fromkeys(found))
        waiting += leads[ref]
    back: set[tuple[str, str]] = set()
    state: dict[str, int] = {"#": 1}
    path = [("#", iter(leads["#"]))]
    while path:
        ref, rest = path[-1]
        following = next(rest, None)
        if following is None:
            state[ref] = 2
            path.pop()
        elif state.get(following) == 1:
            back.add((ref, following))
        elif following not in state:
            state[following] = 1
            path.append((following, iter(leads[following])))
    return back


def _check_depth(schema: Any) -> None:
    level = [schema]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for part in level
            if isinstance(part, (dict, list))
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
        if not level:
            return
        if len(level) > LONGEST:
            raise SchemaTrouble("#", f"it has more than {LONGEST} values")
    raise SchemaTrouble("#", f"it is nested deeper than {DEEPEST}")


def _check_keyword(where: str, key: str, value: Any) -> None:
    if key not in KNOWN:
        raise SchemaTrouble(where, f"the keyword {key[:80]!r} is not supported")
    problem = ""
    if key in _COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        problem = "a whole number from 0 up"
    elif key in _BOUNDS and (isinstance(value, bool) or not isinstance(value, (int, float))):
        problem = "a number"
    elif key in _BOUNDS and not math.isfinite(value):
        problem = "a finite number"
    elif key in ("properties", "$defs", "definitions") and not isinstance(value, dict):
        problem = "an object"
    elif key in (_LISTS | {"enum"}) and not (isinstance(value, list) and value):
        problem = "a list with something in it"
    elif key == "required" and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        problem = "a list of names"
    elif key in ("pattern", "format", "$ref") and not isinstance(value, str):
        problem = "text"
    elif key == "uniqueItems" and not isinstance(value, bool):
        problem = "true or false"
    elif key == "type":
        kinds = value if isinstance(value, list) else [value]
        if not kinds or not all(isinstance(kind, str) and kind in TYPES for kind in kinds):
            problem = f"one or several of {', '.join(TYPES)}"
    if problem:
        raise SchemaTrouble(where, f"{key} must be {problem}")


def _pointed(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
