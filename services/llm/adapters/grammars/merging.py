"""JSON schemas compared and put together: what fits both, whether anything does, whether a value does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from services.llm.adapters.grammars.gbnf import read
from services.llm.adapters.grammars.patterns import string_like
from services.llm.adapters.grammars.walk import Walk

Schema = dict[str, Any] | bool
Resolve = Callable[[Any], Any]
"""From a schema that is a reference to the one it refers to; any other is given back as it is."""
ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$defs", "definitions"}
    | {"deprecated", "readOnly", "writeOnly", "discriminator", "contentEncoding", "contentMediaType", "$anchor", "id"}
)
"""Keywords that say nothing about what fits."""
OBJECT = frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"})
ARRAY = frozenset({"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"})
STRING = frozenset({"minLength", "maxLength", "pattern", "format"})
NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
MOST_OPTIONS = 64
"""Ways to combine one of some schemas with one of others."""
_GREATER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_LESSER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class Unmergeable(ValueError):
    """Names the keyword that stands in the way."""


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The types that a schema allows, as it says or, where it does not, as its keywords make one think."""
    said = schema.get("type")
    if said is not None:
        return tuple(said) if isinstance(said, list) else (said,)
    for keywords, kind in ((OBJECT, "object"), (ARRAY, "array"), (STRING, "string"), (NUMBER, "number")):
        if keywords & schema.keys():
            return (kind,)
    return TYPES


def merged(one: Schema, other: Schema) -> Schema:
    """What fits both. Raises `Unmergeable`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return (other if one else False) if isinstance(one, bool) else (one if other else False)
    out = {key: value for key, value in one.items() if key not in ANNOTATIONS}
    for key, value in other.items():
        if key in ANNOTATIONS:
            continue
        if key not in out or out[key] == value:
            out[key] = value
        elif key == "type":
            both = _common_types(types_of(one), types_of(other))
            if not both:
                return False
            out[key] = both if len(both) > 1 else both[0]
        elif key == "properties":
            out[key] = {**out[key], **value}
            for name in set(one["properties"]) & set(value):
                out[key][name] = merged(one["properties"][name], value[name])
        elif key == "required":
            out[key] = [*out[key], *(name for name in value if name not in out[key])]
        elif key == "allOf":
            out[key] = [*out[key], *value]
        elif (
            key in ("items", "additionalProperties") and not isinstance(value, list) and not isinstance(out[key], list)
        ):
            out[key] = merged(out[key], value)
        elif key in _GREATER:
            out[key] = max(out[key], value)
        elif key in _LESSER:
            out[key] = min(out[key], value)
        elif key == "enum":
            out[key] = [item for item in out[key] if item in value]
        elif key == "const":
            return False
        elif key in ("anyOf", "oneOf") and len(out[key]) * len(value) <= MOST_OPTIONS:
            out[key] = [merged(first, second) for first in out[key] for second in value]
        else:
            raise Unmergeable(key)
    return _closed(one, other, out)


def _closed(one: Mapping[str, Any], other: Mapping[str, Any], out: dict[str, Any]) -> Schema:
    """Properties that only one of the two knows, where the other takes no more: it must not come."""
    for schema, counterpart in ((one, other), (other, one)):
        if schema.get("additionalProperties", True) is not True and "properties" in counterpart:
            for name in counterpart["properties"]:
                if name not in schema.get("properties", {}):
                    out["properties"][name] = merged(out["properties"][name], schema["additionalProperties"])
    return out


def _common_types(one: tuple[str, ...], other: tuple[str, ...]) -> list[str]:
    both = [kind for kind in one if kind in other]
    for mine, theirs in ((one, other), (other, one)):
        if "number" in mine and "integer" in theirs and "number" not in both and "integer" not in both:
            both.append("integer")
    return both


def apart(one: Any, other: Any, resolve: Resolve, depth: int = 4) -> bool:
    """Nothing fits both: by their types, by values that both list, or by a property that both require."""
    one, other = resolve(one), resolve(other)
    if one is False or other is False:
        return True
    if not isinstance(one, dict) or not isinstance(other, dict) or not depth:
        return False
    mine, theirs = listed_values(one), listed_values(other)
    if mine is not None and theirs is not None:
        return not any(_same(first, second) for first in mine for second in theirs)
    # A schema without a type takes values of the others, too, although none are made of it.
    allowed = [types_of(schema) if "type" in schema else TYPES for schema in (one, other)]
    if not _common_types(types_of(one), allowed[1]) and not _common_types(types_of(other), allowed[0]):
        return True
    if types_of(one) != ("object",) or types_of(other) != ("object",):
        return False
    first, second = one.get("properties", {}), other.get("properties", {})
    for name in set(one.get("required", ())) & set(other.get("required", ())):
        if name in first and name in second and apart(first[name], second[name], resolve, depth - 1):
            return True
    return any(
        name not in taken.get("properties", {}) and taken.get("additionalProperties") is False
        for needs, taken in ((one, other), (other, one))
        for name in needs.get("required", ())
    )


def fits(value: Any, schema: Any, resolve: Resolve) -> bool:
    """Whether a value fits a schema of the keywords that are supported."""
    schema = resolve(schema)
    if isinstance(schema, bool):
        return schema
    if ("type" in schema and not any(_is_of(value, kind) for kind in types_of(schema))) or (
        (listed := listed_values(schema)) is not None and not any(_same(value, item) for item in listed)
    ):
        return False
    for key in schema.keys() & {"allOf", "anyOf", "oneOf"}:
        fitting = sum(fits(value, part, resolve) for part in schema[key])
        if not fitting or (key == "allOf" and fitting < len(schema[key])) or (key == "oneOf" and fitting > 1):
            return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        extra = schema.get("additionalProperties", True)
        return (
            schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
            and all(name in value for name in schema.get("required", ()))
            and all(fits(item, known.get(name, extra), resolve) for name, item in value.items())
        )
    if isinstance(value, list):
        first, rest = schema.get("prefixItems", ()), schema.get("items", True)
        if isinstance(rest, list):
            first, rest = rest, schema.get("additionalItems", True)
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)) and all(
            fits(item, first[at] if at < len(first) else rest, resolve) for at, item in enumerate(value)
        )
    if isinstance(value, str):
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return long_enough and ("pattern" not in schema or _found(schema["pattern"], value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
            and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        )
    return True


def listed_values(schema: Mapping[str, Any]) -> list[Any] | None:
    """The only values that fit, where a schema lists them."""
    if "const" not in schema:
        listed: list[Any] | None = schema.get("enum")
        return listed
    const = schema["const"]
    return [const] if any(_same(const, item) for item in schema.get("enum", [const])) else []


def _same(one: Any, other: Any) -> bool:
    """JSON's equality: 1 is 1.0, but true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _is_of(value: Any, kind: str) -> bool:
    if kind in ("number", "integer"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and (kind == "number" or value == int(value))
    wanted = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}[kind]
    return isinstance(value, wanted)


def _found(pattern: str, text: str) -> bool:
    """By the grammar made of the pattern: a regular expression of a stranger's might take for ever."""
    walk = Walk(read("root ::= " + string_like(pattern)))
    walk.add(json.dumps(text, ensure_ascii=False))
    return walk.complete
