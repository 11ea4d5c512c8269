"""Grammar of JSON objects: declared properties in their order, and others where they may come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from services.llm.adapters.grammars.checking import SchemaTrouble
from services.llm.adapters.grammars.rules import escaped
from services.llm.adapters.grammars.values import LONGEST_KEY, MOST_BOUNDED, MOST_ITEMS, PLAIN, as_json, literal

Value = Callable[[Any, str], str]
"""The name of the rule of a schema, for a property of that name."""
Rule = Callable[[str], str]
"""The name of a rule with some text."""


def members(said: dict[str, Any], where: str, value: Value, rule: Rule) -> str:
    """The object that these keywords describe."""
    extra = said.get("additionalProperties", "properties" not in said)
    declared: dict[str, Any] = dict(said.get("properties", {}))
    needed = list(dict.fromkeys(said.get("required", ())))
    for name in needed:
        declared.setdefault(name, said.get("additionalProperties", True))
    kept, extras = _counted(said, where, list(declared), needed, extra is not False)
    if kept is None:
        return "never"
    least, most = extras
    further = ""
    if extra is not False and most:
        pair = rule(f'{_other_key(list(declared), rule)} ":" ws {value(extra, "")}')
        further = rule(f'"," ws {pair}')
        first = f"{pair} {further}{{{max(0, least - 1)},{most - 1}}} ws"
        none_yet = rule(first if least else f'"" | {first}')
        more = rule(f"{further}{{{least},{most}}} ws")
    else:
        none_yet, more = rule('""'), "ws"
    # Each property has two rules: when it would be the first, and when others have come before it.
    for name in reversed(kept):
        pair = f'{literal(as_json(name))} ":" ws {value(declared[name], name)}'
        following = rule(f"{pair} {more}")
        if name in needed:
            none_yet, more = following, rule(f'"," ws {following}')
        else:
            none_yet, more = rule(f"{following} | {none_yet}"), rule(f'"," ws {following} | {more}')
    return f'"{{" ws {none_yet} "}}"'


def _counted(
    said: dict[str, Any], where: str, names: list[str], needed: list[str], open_: bool
) -> tuple[list[str] | None, tuple[int, int]]:
    """Which declared properties may come so that there are neither too few nor too many, and how many others.

    Too many optional ones are left out from the end, and as many as are wanted become required (in `needed`).
    """
    least, most = said.get("minProperties", 0), said.get("maxProperties")
    if most is not None and len(needed) > most:
        return None, (0, 0)
    optional = [name for name in names if name not in needed]
    if most is not None:
        optional = optional[: most - len(needed)]
    kept = [name for name in names if name in needed or name in optional]
    wanted = max(0, least - len(needed))
    needed += optional[:wanted]
    wanted -= len(optional[:wanted])
    room = MOST_ITEMS if most is None else min(most - len(kept), MOST_BOUNDED)
    if wanted > 1 or (wanted and not (open_ and room)):
        # Names that a model makes up may be the same, which would make them one.
        raise SchemaTrouble(where, "minProperties cannot be kept: too few properties are declared")
    return kept, (wanted, room)


def _other_key(taken: Sequence[str], rule: Rule) -> str:
    """A name that is none of these: a second property of the same name would take the place of the first."""
    branches: dict[str, set[str]] = {"": set()}
    for name in taken:
        if any(ord(sign) < 0x20 or sign in '"\\' for sign in name) or len(name) > LONGEST_KEY:
            continue  # cannot be written without escapes, which names here have none of, or is longer than those
        for length in range(len(name)):
            branches.setdefault(name[:length], set()).add(name[length])
        branches.setdefault(name, set())
    if len(branches) == 1 and "" not in taken:
        return "key"
    names: dict[str, str] = {}
    for begin in sorted(branches, key=len, reverse=True):
        ways = [f'"{escaped(ord(sign))}" {names[begin + sign]}' for sign in sorted(branches[begin])]
        others = "".join(escaped(ord(sign)) for sign in sorted(branches[begin]))
        rest = f'{PLAIN}{{0,{LONGEST_KEY - len(begin)}}} "\\""'
        ways.append(f"{PLAIN[:-1]}{others}] {rest}")
        if begin and begin not in taken:
            ways.append('"\\""')
        names[begin] = rule(" | ".join(ways))
    return f'"\\"" {names[""]}'
