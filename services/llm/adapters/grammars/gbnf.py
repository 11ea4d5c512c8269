"""Reads grammars in llama.cpp's notation (GBNF), and finds what llama.cpp would stumble over, or die of.

Notation: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

from __future__ import annotations

import re

from services.llm.adapters.grammars.rules import (
    LAST,
    SURROGATES,
    Alternative,
    Chars,
    Element,
    Grammar,
    Ref,
    Repeat,
    inverted,
    ordered,
)

LONGEST = 65_536
"""Characters of a grammar that a user sends."""
DEEPEST = 64
"""Brackets within brackets."""
MOST_RULES = 10_000
"""Those that llama.cpp makes for brackets and repetitions counted; it goes through them recursively."""
MOST_TIMES = 2_000
"""llama.cpp's limit of repetitions, and of rules that one repetition makes (MAX_REPETITION_THRESHOLD)."""
MOST_ELEMENTS = 500_000
"""What repetitions unfold to; 8 bytes each."""
NAME = re.compile(r"[A-Za-z0-9-]+")
_BLANK = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_TIMES = re.compile(r"\{\s*(\d{1,9})\s*(?:(,)\s*(\d{1,9})?\s*)?\}")
_ESCAPES = {"t": 9, "r": 13, "n": 10, "\\": 92, '"': 34, "[": 91, "]": 93, "-": 45}
_HEX = {"x": 2, "u": 4, "U": 8}


class GrammarTrouble(ValueError):
    """Says what is wrong with a grammar, and where."""


def read(text: str) -> Grammar:
    """The rules of a grammar. Raises `GrammarTrouble` for one that is not well-formed, or unfolds to too much."""
    return _Reader(text).grammar()


def check(grammar: Grammar) -> None:
    """Raise `GrammarTrouble` where llama.cpp would refuse a grammar, fail later, or not come to an end."""
    for rule in sorted(grammar.reachable()):
        if grammar.shortest[rule] >= 1 << 60:
            raise GrammarTrouble(f"nothing fits the rule {grammar.names[rule]!r}: it needs itself, or a character that "
                                 "cannot be")  # fmt: skip
    for rule, alternatives in enumerate(grammar.rules):
        for alternative in alternatives:
            for element in alternative:
                if isinstance(element, Repeat) and element.most is None and not grammar.cost(element.item):
                    raise GrammarTrouble(f"the rule {grammar.names[rule]!r} repeats for ever what may be empty")
    if (rule_again := grammar.left_recursive()) is not None:
        raise GrammarTrouble(f"the rule {grammar.names[rule_again]!r} can begin with itself")


class _Reader:
    def __init__(self, text: str) -> None:
        if "\0" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
            raise GrammarTrouble("it has characters that no text has")
        self._text = text
        self._at = 0
        self._numbers: dict[str, int] = {}
        self._rules: list[list[Alternative] | None] = []
        self._names: list[str] = []
        self._elements = 0
        self._made = 0
        """Rules, as llama.cpp counts them."""

    def grammar(self) -> Grammar:
        self._skip(lines=True)
        while self._at < len(self._text):
            self._rule()
        for name, rule in zip(self._names, self._rules, strict=True):
            if rule is None:
                raise GrammarTrouble(f"the rule {name!r} is used and not defined")
        if "root" not in self._numbers:
            raise GrammarTrouble("there is no rule 'root'")
        return Grammar(self._names, [rule for rule in self._rules if rule is not None], self._numbers["root"])

    def _rule(self) -> None:
        name = self._name()
        self._skip()
        if not self._take("::="):
            raise self._trouble("'::=' is missing")
        self._skip(lines=True)
        number = self._number(name)
        if self._rules[number] is not None:
            raise self._trouble(f"the rule {name!r} is defined twice")
        self._rules[number] = []
        self._rules[number] = self._alternatives(name, 0)
        if self._at < len(self._text) and self._text[self._at] not in "\r\n":
            raise self._trouble("the line goes on")
        self._skip(lines=True)

    def _alternatives(self, name: str, depth: int) -> list[Alternative]:
        if depth > DEEPEST:
            raise self._trouble(f"brackets are nested deeper than {DEEPEST}")
        found = [self._sequence(name, depth)]
        while self._take("|"):
            self._skip(lines=True)
            found.append(self._sequence(name, depth))
        return found

    def _sequence(self, name: str, depth: int) -> Alternative:
        elements: list[Element] = []
        last = 0
        """Where the item begins that a repetition would repeat."""
        cost = 1
        while self._at < len(self._text):
            begin = self._text[self._at]
            before = self._made
            if begin in "*+?{":
                cost = self._repeat(elements, last, name, cost)
            else:
                found = self._item(begin, name, depth)
                if found is None:
                    break
                last = len(elements)
                elements += found
                cost = max(1, self._made - before) if begin == "(" else 1
                self._spend(len(found))
            self._skip(lines=depth > 0)
        return tuple(elements)

    def _item(self, begin: str, name: str, depth: int) -> list[Element] | None:
        if begin == '"':
            return self._literal()
        if begin == "[":
            return [self._class()]
        if begin == ".":
            self._at += 1
            return [Chars(inverted(()))]
        if begin == "(":
            self._at += 1
            self._skip(lines=True)
            group = self._new(f"{name}-g{len(self._names)}")
            self._rules[group] = self._alternatives(name, depth + 1)
            if not self._take(")"):
                raise self._trouble("a bracket is not closed")
            return [Ref(group)]
        if begin in "<!":
            raise self._trouble("tokens cannot be named here, only text")
        return [Ref(self._number(self._name()))] if NAME.match(begin) else None

    def _repeat(self, elements: list[Element], last: int, name: str, cost: int) -> int:
        """Replace the elements from `last` on by their repetition; returns how many rules llama.cpp makes of it."""
        least, most = self._times()
        if last == len(elements):
            raise self._trouble("there is nothing to repeat")
        if most is not None and most < least:
            raise self._trouble("it is to be repeated less often at most than at least")
        times = most or least or 1
        if least > MOST_TIMES or times * cost > MOST_TIMES:
            raise self._trouble(f"that is repeated more often than {MOST_TIMES} times, rules within it counted")
        if most is not None and most > MOST_TIMES:
            most = None
        repeated = tuple(elements[last:])
        self._spend(len(repeated) * (least + (1 if most is None else most - least)))
        self._made += 1 if most is None else most - least
        item = repeated[0]
        if len(repeated) > 1 or isinstance(item, Repeat):
            made = self._new(f"{name}-g{len(self._names)}")
            self._rules[made] = [repeated]
            item = Ref(made)
        elements[last:] = [Repeat(item, least, most)]
        return cost * times

    def _times(self) -> tuple[int, int | None]:
        sign = self._text[self._at]
        if sign != "{":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        times = _TIMES.match(self._text, self._at)
        if times is None:
            raise self._trouble("the number of repetitions is not one")
        self._at = times.end()
        least = int(times[1])
        return least, least if times[2] is None else int(times[3]) if times[3] else None

    def _literal(self) -> list[Element]:
        self._at += 1
        found: list[Element] = []
        while not self._take('"'):
            code = self._character()
            usual = 0 < code < SURROGATES[0]
            found.append(Chars(((code, code),) if usual else ordered([(code, code)])))
        return found

    def _class(self) -> Chars:
        self._at += 1
        negative = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            low = high = self._character()
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                high = self._character()
            if high < low:
                raise self._trouble("a range goes backwards")
            ranges.append((low, high))
        if not ranges:
            raise self._trouble("a class of characters is empty")
        return Chars(inverted(ranges) if negative else ordered(ranges))

    def _character(self) -> int:
        if self._at >= len(self._text):
            raise self._trouble("it ends within a text or a class of characters")
        character = self._text[self._at]
        self._at += 1
        if character != "\\":
            return ord(character)
        kind = self._text[self._at : self._at + 1]
        self._at += 1
        if kind in _HEX:
            digits = self._text[self._at : self._at + _HEX[kind]]
            if not re.fullmatch(f"[0-9A-Fa-f]{{{_HEX[kind]}}}", digits) or int(digits, 16) > LAST:
                raise self._trouble("a character's number is wrong")
            self._at += len(digits)
            return int(digits, 16)
        if kind not in _ESCAPES:
            raise self._trouble(f"\\{kind} is no character")
        return _ESCAPES[kind]

    def _name(self) -> str:
        name = NAME.match(self._text, self._at)
        if name is None:
            raise self._trouble("a name is missing")
        self._at = name.end()
        return name[0]

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = self._new(name)
        return self._numbers[name]

    def _new(self, name: str) -> int:
        self._made += 1
        if self._made > MOST_RULES:
            raise self._trouble(f"it has more than {MOST_RULES} rules, repetitions counted")
        self._names.append(name)
        self._rules.append(None)
        return len(self._names) - 1

    def _spend(self, elements: int) -> None:
        self._elements += elements
        if self._elements > MOST_ELEMENTS:
            raise self._trouble("its repetitions unfold to too much")

    def _take(self, sign: str) -> bool:
        taken = self._text.startswith(sign, self._at)
        self._at += len(sign) if taken else 0
        return taken

    def _skip(self, lines: bool = False) -> None:
        blank = (_BLANK_LINES if lines else _BLANK).match(self._text, self._at)
        self._at = blank.end() if blank else self._at

    def _trouble(self, what: str) -> GrammarTrouble:
        line = self._text.count("\n", 0, self._at) + 1
        return GrammarTrouble(f"line {line}: {what}")
