"""A grammar as rules: what they are made of, how short their texts can be, and how they are written."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Ranges = tuple[tuple[int, int], ...]
"""Code points from and to, in order, without overlap."""
LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
PREFERRED = tuple(map(ord, "0aA "))
"""Characters that stand for a class of characters where any would do."""
ENDLESS = 1 << 60
"""The length of a text that cannot be."""


class Chars(NamedTuple):
    """One character of these."""

    ranges: Ranges

    def takes(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges)

    def example(self) -> str:
        usual = next((code for code in PREFERRED if self.takes(code)), None)
        printable = next((max(low, 0x21) for low, high in self.ranges if high >= 0x21), self.ranges[0][0])
        return chr(printable if usual is None else usual)


class Ref(NamedTuple):
    """Whatever a rule describes."""

    rule: int


class Repeat(NamedTuple):
    """An item, `least` to `most` times; None: any number of times."""

    item: Chars | Ref
    least: int
    most: int | None


Element = Chars | Ref | Repeat
Alternative = tuple[Element, ...]


class Grammar:
    """Rules by number; `names` tells their names, `root` the one to begin with."""

    def __init__(self, names: list[str], rules: list[list[Alternative]], root: int) -> None:
        self.names = names
        self.rules = rules
        self.root = root
        self.alternatives: list[Alternative] = [alternative for rule in rules for alternative in rule]
        firsts = [0]
        for rule in rules:
            firsts.append(firsts[-1] + len(rule))
        self.numbers = [range(first, firsts[at + 1]) for at, first in enumerate(firsts[:-1])]
        """The alternatives of every rule, by their numbers in `alternatives`."""
        self.shortest = self._shortest()
        """Characters of every rule's shortest text; `ENDLESS` where it has none."""

    def cost(self, element: Element) -> int:
        """Characters of an element's shortest text."""
        if isinstance(element, Chars):
            return 1 if element.ranges else ENDLESS
        if isinstance(element, Ref):
            return self.shortest[element.rule]
        return min(ENDLESS, element.least * self.cost(element.item)) if element.least else 0

    def text_of(self, element: Element) -> Iterator[str]:
        """An element's shortest text, in pieces. It must have one."""
        waiting = [element]
        while waiting:
            element = waiting.pop()
            if isinstance(element, Chars):
                yield element.example()
            elif isinstance(element, Repeat):
                waiting += [element.item] * element.least
            else:
                best = min(self.rules[element.rule], key=lambda alternative: sum(map(self.cost, alternative)))
                waiting += reversed(best)

    def reachable(self) -> set[int]:
        """The rules that the root needs, directly or not."""
        found, waiting = {self.root}, [self.root]
        while waiting:
            for alternative in self.rules[waiting.pop()]:
                for rule in _refs(alternative):
                    if rule not in found:
                        found.add(rule)
                        waiting.append(rule)
        return found

    def left_recursive(self) -> int | None:
        """A rule that can begin with itself: llama.cpp cannot take it, and in some cases never ends trying."""
        edges = [sorted({ref for alternative in rule for ref in self._leftmost(alternative)}) for rule in self.rules]
        state = [0] * len(edges)  # 1: under way, 2: done
        for start in range(len(edges)):
            path = [(start, iter(edges[start]))] if not state[start] else []
            state[start] = state[start] or 1
            while path:
                rule, rest = path[-1]
                following = next(rest, None)
                if following is None:
                    state[rule] = 2
                    path.pop()
                elif state[following] == 1:
                    return following
                elif not state[following]:
                    state[following] = 1
                    path.append((following, iter(edges[following])))
        return None

    def _leftmost(self, alternative: Alternative) -> Iterator[int]:
        for element in alternative:
            if isinstance(element, Repeat) and isinstance(element.item, Ref):
                yield element.item.rule
            elif isinstance(element, Ref):
                yield element.rule
            if self.cost(element):
                return

    def pruned(self) -> Grammar:
        """Without whatever has no text, and without rules that are not needed."""
        kept = [
            [
                tuple(self._without_endless(element) for element in alternative)
                for alternative in rule
                if all(self.cost(element) < ENDLESS for element in alternative)
            ]
            for rule in self.rules
        ]
        whole = Grammar(self.names, kept, self.root)
        needed = sorted(whole.reachable())
        number = {old: new for new, old in enumerate(needed)}
        rules = [[tuple(_renumbered(e, number) for e in a if e != _NOTHING) for a in kept[old]] for old in needed]
        return Grammar([self.names[old] for old in needed], rules, number[self.root])

    def _without_endless(self, element: Element) -> Element:
        endless = isinstance(element, Repeat) and self.cost(element.item) >= ENDLESS
        return _NOTHING if endless else element

    def _shortest(self) -> list[int]:
        """Knuth's generalisation of Dijkstra's algorithm: rules are settled in the order of their length."""
        lengths = [ENDLESS] * len(self.rules)
        owners = [rule for rule, alternatives in enumerate(self.rules) for _ in alternatives]
        used_by: list[list[tuple[int, int]]] = [[] for _ in self.rules]
        sums, open_refs = [0] * len(self.alternatives), [0] * len(self.alternatives)
        ready: list[tuple[int, int]] = []
        for number, alternative in enumerate(self.alternatives):
            for element in alternative:
                times, item = (element.least, element.item) if isinstance(element, Repeat) else (1, element)
                if isinstance(item, Chars):
                    sums[number] += times if item.ranges else times * ENDLESS
                elif times:
                    used_by[item.rule].append((number, times))
                    open_refs[number] += 1
            if not open_refs[number]:
                heapq.heappush(ready, (sums[number], owners[number]))
        while ready:
            length, rule = heapq.heappop(ready)
            if length >= lengths[rule]:
                continue
            lengths[rule] = length
            for number, times in used_by[rule]:
                sums[number] += times * length
                open_refs[number] -= 1
                if not open_refs[number]:
                    heapq.heappush(ready, (sums[number], owners[number]))
        return lengths

    def gbnf(self) -> str:
        """As text that llama.cpp reads."""
        lines = []
        for name, rule in zip(self.names, self.rules, strict=True):
            lines.append(f"{name} ::= {' | '.join(self._written(alternative) for alternative in rule)}\n")
        return "".join(lines)

    def _written(self, alternative: Alternative) -> str:
        words: list[str] = []
        literal = ""
        for element in alternative:
            if isinstance(element, Chars) and len(element.ranges) == 1 and element.ranges[0][0] == element.ranges[0][1]:
                literal += escaped(element.ranges[0][0])
                continue
            if literal:
                words.append(f'"{literal}"')
                literal = ""
            words.append(self._word(element))
        if literal:
            words.append(f'"{literal}"')
        return " ".join(words) or '""'

    def _word(self, element: Element) -> str:
        if isinstance(element, Ref):
            return self.names[element.rule]
        if isinstance(element, Repeat):
            most = "" if element.most is None else str(element.most)
            return f"{self._word(element.item)}{{{element.least},{most}}}"
        spans = (escaped(low) if low == high else f"{escaped(low)}-{escaped(high)}" for low, high in element.ranges)
        return f"[{''.join(spans)}]"


_NOTHING = Repeat(Chars(()), 0, 0)


def escaped(code: int) -> str:
    """A character as it is written within quotes or brackets of a grammar."""
    if chr(code) in '"\\[]-^':
        return f"\\x{code:02X}"
    return chr(code) if 0x20 <= code < 0x7F else f"\\U{code:08X}"


def inverted(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """Every character but these; NUL is never among them, and surrogates are none."""
    out: list[tuple[int, int]] = []
    at = 1
    for low, high in sorted([*ranges, SURROGATES]):
        if low > at:
            out.append((at, low - 1))
        at = max(at, high + 1)
    return (*out, (at, LAST)) if at <= LAST else tuple(out)


def ordered(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """The same characters, in order and without overlap, as far as a text can hold them."""
    return inverted(inverted(ranges))


def _refs(alternative: Alternative) -> Iterator[int]:
    for element in alternative:
        item = element.item if isinstance(element, Repeat) else element
        if isinstance(item, Ref):
            yield item.rule


def _renumbered(element: Element, number: dict[int, int]) -> Element:
    if isinstance(element, Ref):
        return Ref(number[element.rule])
    if isinstance(element, Repeat) and isinstance(element.item, Ref):
        return Repeat(Ref(number[element.item.rule]), element.least, element.most)
    return element
