"""Makes grammars of JSON schemas: every text that fits the grammar is JSON that fits the schema.

The other way round it need not be: properties come in the order in which they are declared, numbers have at most 15
digits, and what the schema leaves open is bounded (see `values.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from services.llm.adapters.grammars.checking import SchemaTrouble, back_references, check, target
from services.llm.adapters.grammars.gbnf import GrammarTrouble, read
from services.llm.adapters.grammars.merging import (
    ANNOTATIONS,
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    Unmergeable,
    apart,
    fits,
    listed_values,
    merged,
    types_of,
)
from services.llm.adapters.grammars.numbers import Bounds, integers, numbers
from services.llm.adapters.grammars.objects import members
from services.llm.adapters.grammars.patterns import PatternTrouble, string_like
from services.llm.adapters.grammars.rules import ENDLESS, Grammar
from services.llm.adapters.grammars.values import (
    FORMATS,
    LONGEST_STRING,
    MOST_BOUNDED,
    MOST_ITEMS,
    RULES,
    array,
    as_json,
    free_rules,
    one_of,
    string,
)

LEVELS = (8, 3, 1)
"""How often a schema that refers to itself may do so within itself; less where the grammar would become too large."""
MOST_MERGED = 1_000
"""Schemas put together of others while one grammar is made."""
NEVER = "never"


class Place(NamedTuple):
    """Where a schema stands that is being worked on."""

    where: str
    """JSON pointer."""
    within: str = "#"
    """The reference that led here."""
    level: int = 0
    """How often a reference has led back to where it came from."""

    def at(self, *steps: str | int) -> Place:
        return self._replace(where="/".join([self.where, *map(str, steps)]))


def grammar_of(schemas: Mapping[str, Any], root: str) -> Grammar:
    """The grammar of a root rule that uses rules named like `schemas`, each of the values that fit that schema.

    Raises `SchemaTrouble` or `GrammarTrouble`.
    """
    for schema in schemas.values():
        check(schema)
    trouble = GrammarTrouble("it makes too large a grammar")
    for levels in LEVELS:
        rules = {"root": root, **RULES, **free_rules()}
        try:
            for name, schema in schemas.items():
                _Maker(schema, name, levels, rules).make()
            whole = read("".join(f"{name} ::= {text}\n" for name, text in rules.items()))
        except GrammarTrouble as error:
            trouble = error
            continue
        if whole.shortest[whole.root] >= ENDLESS:
            raise SchemaTrouble("#", "nothing fits it, or nothing short enough: it contradicts itself or has no end")
        return whole.pruned()
    raise trouble


class _Maker:
    def __init__(self, schema: Any, name: str, levels: int, rules: dict[str, str]) -> None:
        self._root = schema
        self._name = name
        self._levels = levels
        self._rules = rules
        self._merged = 0
        self._texts: dict[str, str] = {}
        """Names of rules by their text."""
        self._followed: dict[tuple[str, int], str] = {}
        self._waiting: list[tuple[str, Any, Place]] = []
        self._back = back_references(schema)

    def make(self) -> None:
        root = {"type": "object"} if not self._root.keys() - ANNOTATIONS else self._root
        self._waiting.append((self._name, root, Place("#")))
        while self._waiting:
            name, schema, place = self._waiting.pop()
            try:
                self._rules[name] = self._text(schema, place)
            except PatternTrouble as error:
                raise SchemaTrouble(place.where, f"its pattern cannot be kept: {error}") from None
            except Unmergeable as error:
                raise SchemaTrouble(
                    place.where, f"two schemas differ in {error}, which cannot be put together"
                ) from None
            except RecursionError:
                raise SchemaTrouble(place.where, "it is nested too deeply") from None

    def _rule(self, text: str) -> str:
        """The name of a rule with this text."""
        if text not in self._texts:
            self._texts[text] = f"{self._name}-{len(self._texts)}"
            self._rules[self._texts[text]] = text
        return self._texts[text]

    def _value(self, schema: Any, place: Place) -> str:
        """The name of the rule for what fits a schema."""
        return self._rule(self._text(schema, place))

    def _text(self, schema: Any, place: Place) -> str:
        if isinstance(schema, bool):
            return "value" if schema else NEVER
        said = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
        if "$ref" in said:
            ref = said.pop("$ref")
            if not said:
                return self._follow(ref, place)
            return self._text(self._merge(said, self._target(ref, place), place), place)
        if "allOf" in said:
            whole: Any = {key: value for key, value in said.items() if key != "allOf"}
            for part in said["allOf"]:
                whole = self._merge(whole, self._resolved(part, place), place)
            return self._text(whole, place)
        for key in ("anyOf", "oneOf"):
            if key in said:
                return self._one_of(said, key, place)
        if (values := listed_values(said)) is not None:
            rest = {key: value for key, value in said.items() if key not in ("enum", "const")}
            fitting = [
                as_json(value) for value in values if fits(value, rest, lambda part: self._resolved(part, place))
            ]
            return one_of(fitting, self._rule) if fitting else NEVER
        kinds = types_of(said)
        return "value" if not said else " | ".join(self._of_type(kind, said, place) for kind in kinds)

    def _one_of(self, said: dict[str, Any], key: str, place: Place) -> str:
        options = said.pop(key)
        if key == "oneOf":
            for number, option in enumerate(options):
                for earlier in options[:number]:
                    if not apart(option, earlier, lambda part: self._resolved(part, place)):
                        raise SchemaTrouble(
                            place.at(key, number).where, "it may fit together with another of oneOf; use anyOf"
                        )
        names = []
        for number, option in enumerate(options):
            at = place.at(key, number)
            names.append(self._value(self._merge(said, self._resolved(option, at), at) if said else option, at))
        return " | ".join(dict.fromkeys(names))

    def _of_type(self, kind: str, said: dict[str, Any], place: Place) -> str:
        keywords = {"object": OBJECT, "array": ARRAY, "string": STRING, "number": NUMBER, "integer": NUMBER}
        said = {key: value for key, value in said.items() if key in keywords.get(kind, ())}
        if kind == "object":
            return members(said, place.where, self._value_at(place), self._rule) if said else "object"
        if kind == "array":
            return self._array(said, place)
        if kind == "string":
            return self._string(said, place)
        return kind if kind in ("boolean", "null") else self._number(kind, said, place)

    def _value_at(self, place: Place) -> Any:
        return lambda schema, name: self._value(schema, place.at("properties", name))

    def _array(self, said: dict[str, Any], place: Place) -> str:
        items = said.get("items", True)
        first = said.get("prefixItems", [])
        if isinstance(items, list):
            first, items = items, said.get("additionalItems", True)
        least = said.get("minItems", 0)
        most = said.get("maxItems", max(MOST_ITEMS, least) if not first else max(len(first), least))
        if said.get("uniqueItems") and most > 1:
            raise SchemaTrouble(place.where, "uniqueItems cannot be kept")
        most = min(most, MOST_BOUNDED)
        if least > most:
            if least > MOST_BOUNDED:
                raise SchemaTrouble(place.where, f"minItems is above {MOST_BOUNDED}")
            return NEVER
        if first:
            return self._tuple(first, items, least, most, place)
        name = self._value(items, place.at("items"))
        text, more = array(name, least, most)
        if more:
            self._rules[f"{name}-more"] = more
        return text

    def _tuple(self, first: list[Any], items: Any, least: int, most: int, place: Place) -> str:
        names = [self._value(item, place.at("prefixItems", at)) for at, item in enumerate(first[:most])]
        if least > len(names):
            rest = self._value(items, place.at("items"))
            names += [rest] * (least - len(names))
        return '"[" ws ' + ' "," ws '.join(names) + ' ws "]"' if names else '"[" ws "]"'

    def _string(self, said: dict[str, Any], place: Place) -> str:
        least, most = said.get("minLength", 0), said.get("maxLength")
        if least > LONGEST_STRING:
            raise SchemaTrouble(place.where, f"minLength is above {LONGEST_STRING}")
        if most is not None and most < least:
            return NEVER
        if "pattern" in said:
            return string_like(said["pattern"], least, most)
        if said.get("format") in FORMATS and not least and most is None:
            return f'"\\"" {self._rule(FORMATS[said["format"]])} "\\""'
        if not least and most is None:
            return "text"
        return string(least, LONGEST_STRING if most is None else min(most, LONGEST_STRING))

    def _number(self, kind: str, said: dict[str, Any], place: Place) -> str:
        step = said.get("multipleOf")
        if step not in (None, 1):
            raise SchemaTrouble(place.where, "multipleOf cannot be kept, except 1")
        exact = {key: Decimal(repr(said[key])) for key in said.keys() & NUMBER}
        low = max((exact[key] for key in ("minimum", "exclusiveMinimum") if key in exact), default=None)
        high = min((exact[key] for key in ("maximum", "exclusiveMaximum") if key in exact), default=None)
        low_open = low is not None and exact.get("exclusiveMinimum") == low
        high_open = high is not None and exact.get("exclusiveMaximum") == high
        bounds = Bounds(low, low_open, high, high_open)
        return (integers(bounds) if kind == "integer" or step else numbers(bounds)) or NEVER

    def _follow(self, ref: str, place: Place) -> str:
        """The name of the rule for what a reference refers to; it is made later."""
        level = place.level + ((place.within, ref) in self._back)
        if level > self._levels:
            return NEVER
        if (ref, level) not in self._followed:
            name = f"{self._name}-ref-{len(self._followed)}"
            self._followed[ref, level] = name
            self._waiting.append((name, self._target(ref, place), Place(ref, ref, level)))
        return self._followed[ref, level]

    def _target(self, ref: str, place: Place) -> Any:
        return target(self._root, place.where, ref)

    def _resolved(self, schema: Any, place: Place) -> Any:
        """A schema without a reference at its head, and without `allOf`."""
        for _ in range(MOST_MERGED):
            if not isinstance(schema, dict) or not schema.keys() & {"$ref", "allOf"}:
                return schema
            parts = [*schema.get("allOf", ())]
            if "$ref" in schema:
                parts.append(self._target(schema["$ref"], place))
            schema = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            for part in parts:
                schema = self._merge(schema, part, place)
        raise SchemaTrouble(place.where, "its references lead to each other without end")

    def _merge(self, one: Any, other: Any, place: Place) -> Any:
        self._merged += 1
        if self._merged > MOST_MERGED:
            raise SchemaTrouble(place.where, "it puts together too many schemas, perhaps without end")
        return merged(one, other)
