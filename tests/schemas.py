"""JSON schemas and grammars for tests: random ones, usual ones, and those that must be refused."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "name", "na", "a b", 'q"', "ä", "x-1", "\\", "名"])
_STRINGS = st.one_of(
    st.just({"type": "string"}),
    st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
        lambda sizes: {"type": "string", "minLength": min(sizes), "maxLength": max(sizes)}
    ),
    st.sampled_from(["date", "time", "date-time", "uuid", "email"]).map(
        lambda form: {"type": "string", "format": form}
    ),
    st.sampled_from([r"^[a-z]+$", r"^\d{3}-\d{4}$", r"^(yes|no)$", "@", r'^["\\]+$', r"^[^a-z]{1,3}$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)
_BOUNDS = st.lists(st.integers(-200, 200), min_size=2, max_size=2, unique=True).map(sorted)
_NUMBERS = st.one_of(
    st.sampled_from([{"type": "integer"}, {"type": "number"}]),
    st.tuples(st.sampled_from(["integer", "number"]), _BOUNDS).map(
        lambda drawn: {"type": drawn[0], "minimum": drawn[1][0], "maximum": drawn[1][1]}
    ),
    _BOUNDS.map(
        lambda bounds: {"type": "number", "exclusiveMinimum": bounds[0] / 8, "exclusiveMaximum": bounds[1] / 8}
    ),
)
_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 99), st.text(max_size=5), st.just({"k": [1, "é\n"]}), st.just([])
)
_SIMPLE: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _STRINGS,
    _NUMBERS,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"description": "anything"}]),
    st.lists(_VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    _VALUES.map(lambda value: {"const": value}),
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        schema["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    extra = draw(st.one_of(st.none(), st.booleans(), inner))
    if extra is not None:
        schema["additionalProperties"] = extra
    return schema


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    least = draw(st.integers(0, 2))
    schema: dict[str, Any] = {"type": "array", "items": draw(inner), "minItems": least}
    if draw(st.booleans()):
        schema["maxItems"] = least + draw(st.integers(0, 3))
    return schema


SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        _objects(inner), _arrays(inner), st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})
    ),
    max_leaves=8,
)
"""Schemas that every value of the grammar made of them must fit."""

_TYPES = st.sampled_from(["object", "array", "string", "number", "integer", "null", "boolean"])
_COUNTS = st.integers(0, 4)
_ANY: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 30), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "type"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def _wild(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    some = st.lists(inner, min_size=1, max_size=2)
    words: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"], _COUNTS),
        **dict.fromkeys(["minimum", "maximum", "exclusiveMinimum"], st.integers(-5, 5) | st.floats(-5, 5)),
        **dict.fromkeys(["anyOf", "oneOf", "allOf", "prefixItems"], some),
        **dict.fromkeys(["properties", "$defs"], named),
        **dict.fromkeys(["additionalProperties", "additionalItems"], inner),
        "items": inner | some,
        "required": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "enum": st.lists(_ANY, min_size=1, max_size=3),
        "const": _ANY,
        "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=2),
        "pattern": st.sampled_from(["^a*$", "b|^c$", "(", r"^[^\d]{2}$"]),
        "format": st.sampled_from(["date", "email"]),
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/items"]),
        "uniqueItems": st.booleans(),
        "multipleOf": st.sampled_from([1, 1.0, 0.5]),
    }
    pairs = st.sampled_from(sorted(words)).flatmap(
        lambda word: st.tuples(st.just(word), words[word] | words[word] | _ANY)
    )
    return st.lists(pairs, max_size=4).map(dict)


WILD: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | _TYPES.map(lambda kind: {"type": kind}), _wild, max_leaves=12
)
"""The words of schemas in any order and number, mostly with values that they may have."""

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "likes": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3},
        "pet": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/pet"}]},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
    "$defs": {"pet": {"type": "object", "properties": {"kind": {"enum": ["cat", "dog"]}}, "required": ["kind"]}},
}
TREE: dict[str, Any] = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
        }
    },
}
USUAL: tuple[dict[str, Any], ...] = (
    {},
    PERSON,
    TREE,
    {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "minItems": 2, "maxItems": 4},
    {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 3},
    {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": {"type": "boolean"}},
    {"allOf": [{"$ref": "#/$defs/a"}, {"required": ["b"]}], "$defs": {"a": {"properties": {"b": {"type": "null"}}}}},
    {"oneOf": [{"type": "string", "pattern": "^[A-Z]{2,5}$"}, {"type": "integer"}]},
    {"prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False, "type": "array"},
    {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 6},
)

REFUSED_SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown keyword": ({"type": "string", "colour": "red"}, "'colour'"),
    "not": ({"not": {"type": "string"}}, "'not'"),
    "if": ({"if": {}, "then": {}}, "'if'"),
    "names by pattern": ({"type": "object", "patternProperties": {"^a": {}}}, "'patternProperties'"),
    "unique items": ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "uniqueItems"),
    "multiples": ({"type": "integer", "multipleOf": 7}, "multipleOf"),
    "a reference away": ({"$ref": "https://example.org/schema.json"}, "leads out"),
    "a reference to a file": ({"$ref": "file:///etc/passwd"}, "leads out"),
    "a reference to nothing": ({"$ref": "#/$defs/nothing"}, "leads nowhere"),
    "a reference to no schema": ({"$ref": "#/required", "required": ["a"]}, "no schema"),
    "itself": ({"$ref": "#"}, "no end"),
    "two that refer to each other": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "no end",
    ),
    "one that needs itself": (
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
        "no end",
    ),
    "itself and more": ({"allOf": [{"$ref": "#"}, {"type": "object"}]}, "without end"),
    "itself with siblings": (
        {"$ref": "#/$defs/a", "type": "object", "$defs": {"a": {"$ref": "#/$defs/a", "minProperties": 1}}},
        "deeply",
    ),
    "nothing at all": ({"type": "string", "enum": [1, 2]}, "nothing fits"),
    "two types at once": ({"allOf": [{"type": "string"}, {"type": "null"}]}, "nothing fits"),
    "more than there may be": ({"type": "array", "minItems": 3, "maxItems": 2}, "nothing fits"),
    "no number between": ({"type": "integer", "minimum": 3, "exclusiveMaximum": 3}, "nothing fits"),
    "an infinite bound": ({"type": "number", "maximum": float("inf")}, "no JSON"),
    "a bound in words": ({"type": "number", "maximum": "ten"}, "a number"),
    "a negative length": ({"type": "string", "minLength": -1}, "whole number"),
    "a length of millions": ({"type": "string", "minLength": 10**9}, "minLength"),
    "items by the million": ({"type": "array", "items": {"type": "null"}, "minItems": 10**7}, "minItems"),
    "items of items of items": (
        {
            "type": "array",
            "minItems": 1000,
            "items": {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000, "items": {}}},
        },
        "characters",
    ),
    "a wrong type": ({"type": "text"}, "type must be"),
    "a type that is none": ({"type": 5}, "type must be"),
    "no choice": ({"anyOf": []}, "with something in it"),
    "choices that are none": ({"anyOf": "string"}, "a list"),
    "a choice that is no schema": ({"anyOf": ["string"]}, "a schema is an object"),
    "properties in a list": ({"type": "object", "properties": ["a"]}, "an object"),
    "required by number": ({"type": "object", "required": [1]}, "list of names"),
    "two that fit at once": ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "anyOf"),
    "a look ahead": ({"type": "string", "pattern": "^(?=a)b$"}, "looks ahead"),
    "a back reference": ({"type": "string", "pattern": r"^(a)\1$"}, "not supported"),
    "a word boundary": ({"type": "string", "pattern": r"\bword\b"}, "not supported"),
    "an open class": ({"type": "string", "pattern": "^[a-z$"}, "open bracket"),
    "an open group": ({"type": "string", "pattern": "^(a$"}, "open bracket"),
    "a repetition of nothing": ({"type": "string", "pattern": "^(a*)*$"}, "may be empty"),
    "repetitions of repetitions": ({"type": "string", "pattern": "^((a{1,99}){1,99}){1,99}$"}, "more than"),
    "a pattern with lengths": ({"type": "string", "pattern": "^a+b+$", "maxLength": 5}, "minLength or maxLength"),
    "too deep": ({"a": None}, ""),  # filled in below
    "too many values": ({"enum": list(range(70_000))}, "values"),
    "too long": ({"enum": ["x" * 1000] * 70}, "characters"),
    "more properties than there are": ({"type": "object", "minProperties": 3}, "minProperties"),
}
_deep: dict[str, Any] = {"type": "null"}
for _ in range(70):
    _deep = {"type": "array", "items": _deep}
REFUSED_SCHEMAS["too deep"] = (_deep, "nested deeper")

REFUSED_GRAMMARS: dict[str, tuple[str, str]] = {
    "nothing": ("", "no rule 'root'"),
    "no root": ('answer ::= "a"', "no rule 'root'"),
    "a rule that is not there": ("root ::= answer", "not defined"),
    "a rule twice": ('root ::= "a"\nroot ::= "b"', "twice"),
    "an open text": ('root ::= "a', "ends within"),
    "an open class": ("root ::= [a-z", "ends within"),
    "an open bracket": ('root ::= ("a"', "not closed"),
    "a bracket too many": ('root ::= "a")', "line goes on"),
    "no sign": ('root "a"', "'::='"),
    "no name": ('::= "a"', "name is missing"),
    "an empty class": ("root ::= []", "empty"),
    "a class backwards": ("root ::= [z-a]", "backwards"),
    "an unknown escape": (r'root ::= "\q"', "no character"),
    "half an escape": (r'root ::= "\x4"', "number is wrong"),
    "a character beyond all": (r'root ::= "\UFFFFFFFF"', "number is wrong"),
    "half a surrogate pair": (r'root ::= "\uD800"', "nothing fits"),
    "the character NUL": (r'root ::= "\x00"', "nothing fits"),
    "a NUL in the text": ('root ::= "a\0b"', "no text"),
    "half a character": ('root ::= "\ud800"', "no text"),
    "itself first": ('root ::= root "a" | "b"', "begin with itself"),
    "itself by another": ('root ::= a\na ::= b "x" | "y"\nb ::= a', "begin with itself"),
    "itself behind what may be empty": ('root ::= e root "c" | "b"\ne ::= f\nf ::= "" | "x"', "begin with itself"),
    "itself behind a repetition": ('root ::= "x"* root "c" | "b"', "begin with itself"),
    "itself in a repetition": ('root ::= (root "a")* "b"', "begin with itself"),
    "no end": ('root ::= "a" root', "needs itself"),
    "no end in a choice": ('root ::= "a" | "b" r\nr ::= "c" r', "needs itself"),
    "empty for ever": ('root ::= ("a"?)*', "may be empty"),
    "empty for ever, hidden": ('root ::= e+\ne ::= f\nf ::= "" | "x"', "may be empty"),
    "nothing to repeat": ("root ::= *", "nothing to repeat"),
    "less than least": ('root ::= "a"{3,1}', "less often"),
    "too often": ('root ::= "a"{100000}', "more often"),
    "too often in all": ('root ::= (("a"{1,100}){1,100}){1,100}', "more often"),
    "a long text, often": ('root ::= "' + "x" * 60_000 + '"{2000}', "unfold"),
    "a number that is none": ('root ::= "a"{b}', "not one"),
    "an endless number": ('root ::= "a"{99999999999999999999}', "not one"),
    "a token by number": ("root ::= <[2]>", "tokens"),
    "a token by name": ("root ::= <|im_end|>", "tokens"),
    "not a token": ("root ::= !<[2]>", "tokens"),
    "too deep": ("root ::= " + "(" * 100 + '"a"' + ")" * 100, "nested deeper"),
    "too long": ("root ::= " + '"a" ' * 20_000, "characters"),
    "too many rules": ("root ::= a0\n" + "".join(f'a{n}::="{n}"\n' for n in range(5_000)), "characters"),
    "a long way": ('root ::= "' + "x" * 20_000 + '"', "shortest text"),
    "too many ways": ('root ::= "x" root "a" | "x" root "b" | "y"', "ways"),
    "too many ways by counting": ('root ::= a{1,40}\na ::= "x"{1,40}', "ways"),
    "not a grammar": ("Please answer with yes or no.", "'::='"),
}
