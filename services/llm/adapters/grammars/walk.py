"""Goes along an answer with a grammar, as llama.cpp does, and finds the shortest way to the end from there."""

from __future__ import annotations

from services.llm.adapters.grammars.gbnf import GrammarTrouble
from services.llm.adapters.grammars.rules import ENDLESS, Chars, Grammar, Ref, Repeat

MOST_WAYS = 2_000
"""Ways of reading the same text at once: llama.cpp tries every token in each of them."""
TRIAL = 160
"""Characters of the text that is tried in `measure`."""
TRIED_WAYS = 300
"""A grammar that can have more ways than this after `TRIAL` characters would hold up everybody else."""
LONGEST_END = 16_384
"""Characters of the longest end that is put behind an answer."""
END = 0
"""The number of the empty stack: the text may end here."""


class Walk:
    """Where one answer stands in a grammar. A place is a stack of what is still to come, known by its number."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        # A stack: alternative, element in it, how often that element has come already, and the stack beneath.
        self._stacks: list[tuple[int, int, int, int]] = [(-1, -1, -1, -1)]
        self._numbers: dict[tuple[int, int, int, int], int] = {}
        self._open: dict[int, tuple[list[tuple[Chars, int]], bool]] = {}
        self._costs: dict[int, int] = {END: 0}
        self.places: set[int] = {
            self._push(alternative, END) for alternative in self._grammar.numbers[self._grammar.root]
        }
        """Where the text so far may have led; empty: it does not fit."""

    def add(self, text: str) -> None:
        """Go along with more of the text. Raises `GrammarTrouble` when there are too many ways to read it."""
        for character in text:
            code = ord(character)
            self.places = {
                after for place in self.places for chars, after in self._ahead(place)[0] if chars.takes(code)
            }
            if len(self.places) > MOST_WAYS:
                raise GrammarTrouble(f"there are more than {MOST_WAYS} ways to read an answer")
            if len(self._open) > 100 * MOST_WAYS:
                self._open.clear()

    @property
    def ahead(self) -> list[Chars]:
        """The characters that may come next, in classes; more often than once where there are several ways."""
        return [chars for place in sorted(self.places) for chars, _ in self._ahead(place)[0]]

    @property
    def complete(self) -> bool:
        """The text may end here."""
        return any(self._ahead(place)[1] for place in self.places)

    def end(self) -> str | None:
        """The shortest text that completes the one so far; empty when it is complete, None when there is none, or none
        short enough."""
        best = min(self.places, key=lambda place: (self._cost(place), place), default=None)
        if best is None or self._cost(best) > LONGEST_END:
            return None
        pieces: list[str] = []
        while best != END:
            alternative, index, times, beneath = self._stacks[best]
            element = self._grammar.alternatives[alternative][index]
            if isinstance(element, Repeat):
                element = Repeat(element.item, max(0, element.least - times), None)
            pieces += self._grammar.text_of(element)
            best = self._push(alternative, beneath, index + 1)
        return "".join(pieces)

    def most_ways(self) -> int:
        """How many ways there are at once to read the text that is worst in this respect, as far as a short look
        tells."""
        most = len(self.places)
        for _ in range(TRIAL):
            ahead = [way for place in self.places for way in self._ahead(place)[0]]
            if not ahead or most > TRIED_WAYS:
                break
            # The best character to confuse with is the first of some class; few of them are worth a trial.
            codes = {chars.ranges[0][0] for chars, _ in ahead[: 4 * TRIED_WAYS]} | {ord(ahead[0][0].example())}
            tried = sorted(codes)[:: max(1, len(codes) // 16)]
            reached = [{after for chars, after in ahead if chars.takes(code)} for code in tried]
            self.places = max(reached, key=len)
            most = max(most, len(self.places))
        return most

    def _push(self, alternative: int, beneath: int, index: int = 0, times: int = 0) -> int:
        """The stack that goes on with an element of an alternative; what is beneath it where there is none."""
        if index == len(self._grammar.alternatives[alternative]):
            return beneath
        stack = (alternative, index, times, beneath)
        number = self._numbers.get(stack)
        if number is None:
            number = self._numbers[stack] = len(self._stacks)
            self._stacks.append(stack)
        return number

    def _ahead(self, place: int) -> tuple[list[tuple[Chars, int]], bool]:
        """The characters that may come next, each with where it leads, and whether the text may end."""
        known = self._open.get(place)
        if known is not None:
            return known
        found: list[tuple[Chars, int]] = []
        may_end = False
        seen = {place}
        waiting = [place]

        def visit(stack: int) -> None:
            if stack not in seen:
                seen.add(stack)
                waiting.append(stack)

        while waiting:
            stack = waiting.pop()
            if stack == END:
                may_end = True
                continue
            alternative, index, times, beneath = self._stacks[stack]
            element = self._grammar.alternatives[alternative][index]
            after = self._push(alternative, beneath, index + 1)
            item: Chars | Ref
            if isinstance(element, Repeat):
                item, least, most = element
                if times >= least:
                    visit(after)
                if most is not None and times >= most:
                    continue
                # Without a most it is enough to count up to the least; with one, the last leads straight on.
                times = min(times + 1, least) if most is None else times + 1
                after = after if times == most else self._push(alternative, beneath, index, times)
            else:
                item = element
            if isinstance(item, Chars):
                found.append((item, after))
            else:
                for number in self._grammar.numbers[item.rule]:
                    visit(self._push(number, after))
            if len(seen) > 10 * MOST_WAYS:
                raise GrammarTrouble(f"there are more than {MOST_WAYS} ways to go on with an answer")
        self._open[place] = found, may_end
        return self._open[place]

    def _cost(self, place: int) -> int:
        """Characters of the shortest end from a stack."""
        path = []
        while place not in self._costs:
            path.append(place)
            place = self._stacks[place][3]
        total = self._costs[place]
        for stack in reversed(path):
            alternative, index, times, _ = self._stacks[stack]
            elements = self._grammar.alternatives[alternative][index:]
            first = elements[0]
            if isinstance(first, Repeat):
                first = Repeat(first.item, max(0, first.least - times), None)
            total = min(ENDLESS, total + self._grammar.cost(first) + sum(map(self._grammar.cost, elements[1:])))
            self._costs[stack] = total
        return total


def measure(grammar: Grammar) -> None:
    """Raise `GrammarTrouble` for a grammar that is too ambiguous to be followed in time, or that no short text fits."""
    if grammar.shortest[grammar.root] > LONGEST_END:
        raise GrammarTrouble(f"the shortest text that fits has {grammar.shortest[grammar.root]} characters")
    if Walk(grammar).most_ways() > TRIED_WAYS:
        raise GrammarTrouble(f"there are more than {TRIED_WAYS} ways at once to read a text of {TRIAL} characters")
