"""Answers in the form of a JSON schema: what is allowed is valid, and what is cut off can be made whole."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.formats.call_forms import FORMS, CallForm
from services.llm.adapters.constrain import BadSchema, Constraint, constraint
from services.llm.adapters.grammars.gbnf import read
from services.llm.adapters.grammars.numbers import Bounds, integers, numbers
from services.llm.adapters.grammars.patterns import string_like
from services.llm.adapters.grammars.walk import Walk
from services.llm.engine import Tool
from solo.isolation.engine import BadEngineInput
from tests.schemas import PERSON, REFUSED_SCHEMAS, SCHEMAS, TREE, USUAL, WILD

GOOD: list[tuple[dict[str, Any], Any]] = [
    ({}, {"a": [1, 2.5, None, {"b": 'x"y'}], "b": {}}),
    (PERSON, {"name": "Zoë\n🐕", "age": 30, "likes": ["a", "b"], "pet": {"kind": "dog"}}),
    (PERSON, {"name": "", "age": 0, "pet": None}),
    (TREE, {"value": 1.5, "children": [{"value": -3, "children": []}, {"value": 0}]}),
    (USUAL[3], [0.25, 1, 0.001]),
    (USUAL[5], {"name": "q", "na": True, "names": False, "x": True}),
    (USUAL[7], "ABC"),
    (USUAL[7], -17),
    (USUAL[8], ["a", True]),
    ({"type": "string", "format": "date-time"}, "2024-02-28T23:59:59.5+01:00"),
    ({"enum": [1, "one", None, {"a": [True]}]}, {"a": [True]}),
    ({"type": ["integer", "null"], "minimum": 5}, 12),
]


def form_of(schema: dict[str, Any]) -> Constraint:
    form = constraint({"json_schema": schema})
    assert form is not None
    return form


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["dense", "usual"])
@pytest.mark.parametrize(("schema", "value"), GOOD, ids=str)
def test_valid_json_is_allowed_and_closed_wherever_it_is_cut(
    schema: dict[str, Any], value: Any, separators: tuple[str, str]
) -> None:
    jsonschema.validate(value, schema)
    if "enum" in schema:
        separators = (", ", ": ")  # listed values are written in one way only
    whole = json.dumps(value, ensure_ascii=False, separators=separators)
    form = form_of(schema)
    for cut in range(len(whole) + 1):
        end = form.close(whole[:cut])
        assert end is not None, whole[:cut]
        jsonschema.validate(json.loads(whole[:cut] + end), schema)
    assert form.close(whole) == ""


def test_indented_json_is_allowed() -> None:
    whole = json.dumps(GOOD[1][1], ensure_ascii=False, indent=2)
    assert form_of(PERSON).close(whole) == ""


def test_escapes_are_allowed_and_half_characters_are_not() -> None:
    form = form_of({"type": "string"})
    assert form.close(r'"\u00e9\ud83d\udc15\n\"\\\/"') == ""
    assert form.close(r'"\ud83d\u0041') is None and form.close(r'"\udc15') is None
    assert form.close('"\\') is not None and form.close('"a\n') is None


def wander(form: Constraint, seed: int, steps: int) -> str:
    """A text that the form allows, chosen at random."""
    chance, walk, said = random.Random(seed), Walk(read(form.gbnf)), ""
    for _ in range(steps):
        if not walk.ahead or (walk.complete and chance.random() < 0.1):
            break
        low, high = chance.choice(chance.choice(walk.ahead).ranges)
        character = chr(chance.randint(low, min(high, low + 90)))
        walk.add(character)
        said += character
    return said


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, st.integers(0, 2**32), st.integers(0, 120))
def test_whatever_a_model_writes_is_valid_once_it_is_closed(schema: dict[str, Any], seed: int, steps: int) -> None:
    try:
        form = form_of(schema)
    except BadSchema as error:
        assert "nothing fits" in error.message or "minProperties" in error.message
        return
    said = wander(form, seed, steps)
    for cut in {0, len(said) // 3, len(said) // 2, len(said)}:
        end = form.close(said[:cut])
        assert end is not None
        jsonschema.validate(json.loads(said[:cut] + end), schema or {"type": "object"})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WILD)
def test_whatever_is_sent_is_taken_or_refused(schema: Any) -> None:
    try:
        form = constraint({"json_schema": schema})
    except BadSchema:
        return
    if form is not None:
        end = form.close("")
        assert end is not None and form.close(end) == ""


@pytest.mark.parametrize("name", REFUSED_SCHEMAS)
def test_what_cannot_be_kept_is_named(name: str) -> None:
    schema, why = REFUSED_SCHEMAS[name]
    with pytest.raises(BadSchema) as caught:
        constraint({"json_schema": schema})
    assert why in caught.value.message and caught.value.hint
    assert len(caught.value.message) < 300


def test_it_says_where() -> None:
    schema = {"type": "object", "properties": {"a/b": {"items": {"anyOf": [{}, {"not": {}}]}}}}
    with pytest.raises(BadSchema, match="#/properties/a~1b/items/anyOf/1: the keyword 'not'"):
        constraint({"json_schema": schema})


def test_strings_and_lists_are_bounded() -> None:
    assert form_of({"type": "string"}).close('"' + "x" * 2_000) == '"'
    assert form_of({"type": "string"}).close('"' + "x" * 2_001) is None
    assert form_of({"type": "array", "items": {"type": "null"}}).close("[" + ",".join(["null"] * 64)) == "]"
    assert form_of({"type": "array", "items": {"type": "null"}}).close("[" + ",".join(["null"] * 65)) is None
    assert form_of({}).close('{"a":' * 6) is not None and form_of({}).close('{"a":' * 7) is None
    assert form_of({}).close("{" + " " * 2) is None


def test_a_schema_in_itself_is_bounded() -> None:
    deep = '{"value":1,"children":['
    assert form_of(TREE).close(deep * 8) is not None
    assert form_of(TREE).close(deep * 12) is None


BOUND = st.one_of(st.none(), st.decimals(-1000, 1000, places=3), st.integers(-20, 20).map(Decimal))


@settings(max_examples=200, deadline=None)
@given(BOUND, BOUND, st.booleans(), st.booleans(), st.decimals(-1001, 1001, places=3))
def test_numbers_between_bounds(
    low: Decimal | None, high: Decimal | None, low_open: bool, high_open: bool, other: Decimal
) -> None:
    bounds = Bounds(low, low_open and low is not None, high, high_open and high is not None)

    def inside(number: Decimal) -> bool:
        above = low is None or (number > low if low_open else number >= low)
        return above and (high is None or (number < high if high_open else number <= high))

    near = [
        other,
        *(bound + step for bound in (low, high) if bound is not None for step in map(Decimal, (0, 1, "-.001"))),
    ]
    for kind, text in ((int, integers(bounds)), (Decimal, numbers(bounds))):
        grammar = read(f"root ::= {text}") if text is not None else None
        for number in near:
            said = str(int(number)) if kind is int else f"{number:f}"
            if said.lstrip("-0.") == "" and said.startswith("-"):
                continue  # minus nothing
            walk = Walk(grammar) if grammar is not None else None
            if walk is not None:
                walk.add(said)
            assert (walk is not None and walk.complete) == inside(Decimal(said)), (kind, said, text)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^abc$", ["abc"], ["ab", "abcd"]),
        ("b", ["b", "abc"], ["ac"]),
        ("^a|b$", ["a", "ax", "xb"], ["xa"]),
        (r"^\d{3}-\w+\s?$", ["123-a_1", "123-a "], ["12-a", "123-ä"]),
        (r'^["\\\n]+$', ['"\\\n'], ["a"]),
        ("^[^a-z]*$", ["ABC \t", ""], ["a"]),
        ("^(?:ab|c){2}$", ["abc", "cc"], ["c"]),
        (r"^\u00e4[\x41-C]\.?$", ["äA", "äC."], ["äD"]),
        ("^a.c$", ["abc", "a🐕c"], ["a\nc"]),
        ("^$", [""], ["a"]),
        ("^x+?y*?$", ["xxyy"], ["y"]),
    ],
)
def test_patterns(pattern: str, good: list[str], bad: list[str]) -> None:
    grammar = read("root ::= " + string_like(pattern))

    def fits(text: str) -> bool:
        walk = Walk(grammar)
        walk.add(json.dumps(text, ensure_ascii=False))
        return walk.complete

    assert [text for text in good if not fits(text)] == []
    assert [text for text in bad if fits(text)] == []


TOOLS: list[Tool] = [
    {"name": "add", "description": "", "parameters": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}},
    {"name": "now", "description": "", "parameters": {}},
]


@pytest.mark.parametrize("form", FORMS)
def test_a_call_that_must_come_comes(form: CallForm) -> None:
    for choice, name in (("required", "now"), ("add", "add"), ("now", "now")):
        forced = constraint(None, TOOLS, choice, form)
        assert forced is not None
        written = forced.close("")
        assert written is not None
        calls = form.read(written.removeprefix(form.opening).removesuffix(form.closing))
        assert calls is not None and calls[0].name == name


def test_json_or_a_call() -> None:
    either = constraint({"json_schema": PERSON}, TOOLS)
    assert either is not None
    assert either.close('{"name": "A') == '","age":0}'
    assert either.close('<tool_call>\n{"name": "add"') == ', "arguments": {"a":0}}\n</tool_call>'
    only = constraint({"json_schema": PERSON}, TOOLS, "none")
    assert only is not None and only.close("<") is None


def test_no_form_where_none_is_asked_for() -> None:
    assert constraint(None) is None
    assert constraint(None, TOOLS) is None
    assert constraint({"json_schema": None, "grammar": None}, TOOLS, "none") is None


def test_errors_of_tools_are_named() -> None:
    with pytest.raises(BadEngineInput, match="no tool 'sub'"):
        constraint(None, TOOLS, "sub")
    bad: list[Tool] = [{"name": "add", "description": "", "parameters": {"not": {}}}]
    with pytest.raises(BadSchema, match="the tool add"):
        constraint(None, bad, "required")


@pytest.mark.parametrize("schema", USUAL, ids=str)
def test_the_usual_schemas_have_a_shortest_answer(schema: dict[str, Any]) -> None:
    end = form_of(schema).close("")
    assert end is not None
    jsonschema.validate(json.loads(end), schema)
