"""Grammar of JSON's values where a schema says little of them: bounded, so that no small model runs on for ever."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection
from typing import Any

from services.llm.adapters.grammars.numbers import NUMBER
from services.llm.adapters.grammars.rules import escaped

LONGEST_STRING = 2_000
"""Characters of a string that has no bound of its own, and of any other at most."""
MOST_ITEMS = 64
"""Items of an array, and properties of an object, without a bound of their own."""
MOST_BOUNDED = 2_000
"""Items of an array with one; llama.cpp counts no further."""
LONGEST_KEY = 64
"""Characters of a property's name that the schema leaves open."""
DEPTH = 6
"""Of a value that may be anything."""
PLAIN = r"[^\x22\x5C\x00-\x1F]"
RULES = {
    "ws": r'("" | " " | "\n" [ ]{0,16})',
    "hex": "[0-9A-Fa-f]",
    # No half of a surrogate pair alone: it is no character, and many a parser refuses it.
    "escape": r'"\\" (["\x5C/bfnrt] | "u" (([0-9A-Ca-cE-Fe-f] hex hex hex) | ([Dd] [0-7] hex hex) | '
    r'([Dd] [89ABab] hex hex "\\u" [Dd] [C-Fc-f] hex hex)))',
    "char": f"{PLAIN} | escape",
    "boolean": '"true" | "false"',
    "null": '"null"',
    "number": NUMBER,
    "key": f'"\\"" {PLAIN}{{1,{LONGEST_KEY}}} "\\""',
    "never": "[\\x00]",
}
"""By name; each may be used in any grammar made here."""
DATE = (
    '[0-9]{4} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | '
    '("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
"""Days that every year has."""
TIME = (
    '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? '
    '("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
)
FORMATS = {
    "date": DATE,
    "time": TIME,
    "date-time": f'{DATE} "T" {TIME}',
    "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
}
"""Formats of strings that are kept; others are taken for remarks, as the standard allows."""


def literal(text: str) -> str:
    """Exactly this text."""
    return '"' + "".join(escaped(ord(character)) for character in text) + '"'


def as_json(value: Any) -> str:
    """As a model would write it; escaped where it has characters that are none."""
    said = json.dumps(value, ensure_ascii=False)
    try:
        said.encode()
    except UnicodeEncodeError:
        said = json.dumps(value)
    return said


def one_of(texts: Collection[str], rule: Callable[[str], str]) -> str:
    """One of these texts. What they begin with is shared, since llama.cpp tries every alternative with every token.

    `rule`: the name of a rule with some text.
    """
    texts = sorted(set(texts))
    first, last = texts[0], texts[-1]
    shared = first[
        : next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    ]
    if len(texts) == 1:
        return literal(shared)
    groups = itertools.groupby((text[len(shared) :] for text in texts), key=lambda text: text[:1])
    ways = [one_of(list(group), rule) for _, group in groups]
    name = rule(" | ".join(ways))
    return f"{literal(shared)} {name}" if shared else name


def string(least: int, most: int) -> str:
    return f'"\\"" char{{{least},{most}}} "\\""'


def array(item: str, least: int, most: int) -> tuple[str, str]:
    """An array of a named rule's values, and the rule for a further one, which it needs as `<item>-more`."""
    if not most:
        return '"[" ws "]"', ""
    some = f"{item} {item}-more{{{max(0, least - 1)},{most - 1}}} ws"
    return f'"[" ws {some if least else f"({some})?"} "]"', f'"," ws {item}'


def free_rules() -> dict[str, str]:
    """`value` and `object`: whatever JSON there is, nested at most `DEPTH` deep."""
    rules = {"text": string(0, LONGEST_STRING)}
    simple = "text | number | boolean | null"
    rules["value-0"] = simple
    for depth in range(1, DEPTH + 1):
        inner = f"value-{depth - 1}"
        listed, rules[f"{inner}-more"] = array(inner, 0, MOST_ITEMS)
        rules[f"pair-{depth}"] = f'key ":" ws {inner}'
        members, rules[f"pair-{depth}-more"] = array(f"pair-{depth}", 0, MOST_ITEMS)
        rules[f"list-{depth}"] = listed
        rules[f"map-{depth}"] = members.replace('"["', '"{"').replace('"]"', '"}"')
        rules[f"value-{depth}"] = f"map-{depth} | list-{depth} | {simple}"
    return {**rules, "value": f"value-{DEPTH}", "object": f"map-{DEPTH}"}
