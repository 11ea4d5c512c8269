"""Grammars are read as llama.cpp reads them, refused where it would fail, and followed to the shortest end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.adapters.constrain import BadGrammar, constraint
from services.llm.adapters.grammars.gbnf import check, read
from services.llm.adapters.grammars.rules import Chars, inverted, ordered
from services.llm.adapters.grammars.walk import Walk
from tests.schemas import REFUSED_GRAMMARS

LIST = """\
# A list, as in llama.cpp's own examples
root  ::= item+
item  ::= "- " [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ "\\n"
"""
ARITHMETIC = """\
root  ::= (expr "=" ws term "\\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | ("(" ws
    expr ")" ws)
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \\t\\n]*
"""


def fits(grammar: str, text: str) -> bool:
    walk = Walk(read(grammar))
    walk.add(text)
    return walk.complete


@pytest.mark.parametrize("name", REFUSED_GRAMMARS)
def test_a_grammar_that_would_do_harm_is_refused(name: str) -> None:
    text, why = REFUSED_GRAMMARS[name]
    with pytest.raises(BadGrammar, match="cannot be used") as caught:
        constraint({"grammar": text})
    assert why in caught.value.message and caught.value.hint
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        ('root ::= "yes" | "no"', ["yes", "no"], ["", "y", "maybe", "yess"]),
        ('root ::= "a"{2,3}', ["aa", "aaa"], ["a", "aaaa"]),
        ('root ::= "ab"{2}', ["abab"], ["ab", "aab"]),
        ('root ::= "a"{2,}', ["aa", "a" * 50], ["a"]),
        ('root ::= ("a" | "b")* "c"?', ["", "abba", "abc", "c"], ["cc", "d"]),
        ("root ::= [a-cx]+ [^a-c]", ["abx!", "xy"], ["ab", "x" + "a"]),
        ('root ::= . "b"', ["äb", "\nb"], ["b"]),
        (r'root ::= "\x41\u00e4\U0001F415\n\"\\\t"', ['Aä🐕\n"\\\t'], ["Aä"]),
        (r"root ::= [\]\-\\^]+", ["]-\\^"], ["a"]),
        ('root ::= ""', [""], ["a"]),
        ('root ::= a "x"\na ::= "y" |\n  ("z"\n "z") # comment\n', ["yx", "zzx"], ["zx"]),
        ('root ::= "x" root "y" | ""', ["", "xxyy"], ["xxy"]),
        ('root ::= "(" root ")" root | ""', ["", "(())()"], ["(()"]),
        (LIST, ["- one\n- two\n"], ["- one", "one\n"]),
        (ARITHMETIC, ["a+1=(b*2)\n"], ["a+=1\n"]),
    ],
)
def test_a_grammar_is_followed(grammar: str, good: list[str], bad: list[str]) -> None:
    form = constraint({"grammar": grammar})
    assert form is not None and form.gbnf == grammar
    assert [text for text in good if not fits(grammar, text)] == []
    assert [text for text in bad if fits(grammar, text)] == []


@pytest.mark.parametrize(
    ("grammar", "said", "end"),
    [
        ('root ::= "yes" | "no"', "", "no"),
        ('root ::= "yes" | "no"', "y", "es"),
        ('root ::= "yes" | "no"', "yes", ""),
        ('root ::= "yes" | "no"', "maybe", None),
        ('root ::= "a"{3,5} "b"', "a", "aab"),
        ('root ::= ("ab" | "cde"){2}', "c", "deab"),
        ('root ::= "x" root "y" | "."', "xxx", ".yyy"),
        (LIST, "", "- 0\n"),
        (LIST, "- a\n- ", "0\n"),
        (ARITHMETIC, "(a+", "0)=0\n"),
    ],
)
def test_the_shortest_end_is_found(grammar: str, said: str, end: str | None) -> None:
    form = constraint({"grammar": grammar})
    assert form is not None
    found = form.close(said)
    assert found is None if end is None else found is not None and len(found) == len(end)
    assert found is None or fits(grammar, said + found)


def test_an_answer_is_followed_piece_by_piece() -> None:
    form = constraint({"grammar": 'root ::= ("ab" | "cde"){2}'})
    assert form is not None
    assert [form.follow(said) for said in ("a", "abc", "abcde")] == [True, True, True]
    assert form.close("abc") == "de"
    assert not form.follow("abx")
    assert form.close("abx") is None and form.close("c") in ("deab", "decde")


def test_a_long_answer_that_is_ambiguous_is_given_up() -> None:
    text = 'root ::= "x"* (a | b)\na ::= "x" a "1" | "x" b "1" | "!"\nb ::= "x" a "2" | "x" b "2" | "!"'
    with pytest.raises(BadGrammar, match="ways"):
        constraint({"grammar": text})


def test_written_grammars_mean_the_same() -> None:
    for text in (LIST, ARITHMETIC, 'root ::= (("a" | "b") [c-e]{1,2}){2,3} "\\\\" [\\]^-]'):
        grammar = read(text)
        check(grammar)
        again = read(grammar.pruned().gbnf())
        assert again.shortest[again.root] == grammar.shortest[grammar.root]
        for said in ("- x\n", "a=1\n", "ac", "acbd\\]", "bdeacae\\^"):
            walks = [Walk(grammar), Walk(again)]
            for walk in walks:
                walk.add(said)
            assert walks[0].complete == walks[1].complete and bool(walks[0].places) == bool(walks[1].places)


@given(st.lists(st.tuples(st.integers(0, 0x10FFFF), st.integers(0, 0x10FFFF)).map(sorted), max_size=5), st.characters())
def test_a_class_of_characters_and_its_opposite(ranges: list[list[int]], character: str) -> None:
    code = ord(character)
    pairs = [(low, high) for low, high in ranges]
    inside = any(low <= code <= high for low, high in pairs)
    assert Chars(ordered(pairs)).takes(code) == (inside and code > 0)
    assert Chars(inverted(pairs)).takes(code) == (not inside and code > 0)


@given(st.text('ab"\\[](){}*+?|.:=\n <>!^-0,', max_size=60))
def test_whatever_is_sent_is_taken_or_refused(text: str) -> None:
    try:
        form = constraint({"grammar": "root ::= " + text})
    except BadGrammar:
        return
    assert form is not None
    end = form.close("")
    assert end is not None and form.close(end) == ""


def test_ways_that_come_to_the_same_are_one() -> None:
    """Repetitions without a most are not counted: counting would give each number of times a way of its own."""
    walk = Walk(read('root ::= ("a"+ "b"?)+ "c"'))
    walk.add("aaab" * 50)
    assert len(walk.places) <= 4
