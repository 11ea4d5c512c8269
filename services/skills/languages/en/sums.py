"""English sums: "fifteen percent of 80", "the square root of 144"."""

from __future__ import annotations

import re

from services.skills.arithmetic import NoSum, SumImpossible, evaluate

_PHRASES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = tuple(
    (tuple(said.split()), tuple(meant.split()))
    for said, meant in (
        ("to the power of", "^"),
        ("raised to the power of", "^"),
        ("raised to", "^"),
        ("the square root of", "sqrt"),
        ("square root of", "sqrt"),
        ("the cube root of", "cbrt"),
        ("cube root of", "cbrt"),
        ("3 quarters of", "0.75 of"),
        ("half of", "0.5 of"),
        ("a half of", "0.5 of"),
        ("1 half of", "0.5 of"),
        ("half", "0.5 of"),
        ("a 3rd of", "( 1 / 3 ) of"),
        ("a third of", "( 1 / 3 ) of"),
        ("1 third of", "( 1 / 3 ) of"),
        ("2 thirds of", "( 2 / 3 ) of"),
        ("a quarter of", "0.25 of"),
        ("1 quarter of", "0.25 of"),
        ("a tenth of", "0.1 of"),
        ("double", "double"),
        ("twice", "double"),
        ("multiplied by", "*"),
        ("times", "*"),
        ("x", "*"),
        ("divided by", "/"),
        ("over", "/"),
        ("plus", "+"),
        ("added to", "+"),
        ("minus", "-"),
        ("take away", "-"),
        ("less", "-"),
        ("negative", "-"),
        ("modulo", "mod"),
        ("mod", "mod"),
        ("percent of", "% of"),
        ("per cent of", "% of"),
        ("squared", "squared"),
        ("cubed", "cubed"),
        ("factorial", "!"),
        ("open bracket", "("),
        ("close bracket", ")"),
    )
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_GLUED = re.compile(r"\d+(?:([x/-])\d+)+")
_SUM_OF = re.compile(r"(?:the )?(sum|product|difference) (?:of|between) (.+) and (.+)")
_JOINED = {"sum": "plus", "product": "times", "difference": "minus"}
_SIGN = {"-"}
_OPERATORS = {"+", "-", "*", "/", "^", "mod", "of", "sqrt", "cbrt", "double", "squared", "cubed", "!"}


def read_sum(text: str, *, surely: bool = False) -> str | None:
    """The tokens of a sum as `evaluate` takes them; None: it is none. `surely`: "calculate 9/11" is one, "what is
    9/11" is not."""
    if (parts := _SUM_OF.fullmatch(text)) is not None:
        text = f"{parts[2]} {_JOINED[parts[1]]} {parts[3]}"
    words = text.removesuffix(" equals").split()
    tokens: list[str] = []
    at = 0
    while at < len(words):
        if _NUMBER.fullmatch(words[at]):
            tokens.append(words[at])
            at += 1
        elif _GLUED.fullmatch(words[at]):
            if not surely:
                return None
            tokens += re.sub(r"([x/-])", r" \1 ", words[at]).replace("x", "*").split()
            at += 1
        else:
            meant, taken = _phrase(words, at)
            if not taken:
                return None
            tokens += ["neg" if token in _SIGN and _wants_number(tokens) else token for token in meant]
            at += taken
    if not _OPERATORS & set(tokens) or not any(_NUMBER.fullmatch(token) for token in tokens):
        return None
    written = " ".join(tokens)
    try:
        evaluate(written)
    except NoSum:
        return None
    except SumImpossible:
        pass  # told when it is asked for
    return written


def _phrase(words: list[str], at: int) -> tuple[tuple[str, ...], int]:
    """The longest phrase there."""
    best: tuple[tuple[str, ...], int] = ((), 0)
    for said, meant in _PHRASES:
        if len(said) > best[1] and tuple(words[at : at + len(said)]) == said:
            best = (meant, len(said))
    return best


def _wants_number(tokens: list[str]) -> bool:
    return not tokens or tokens[-1] in _OPERATORS - {"squared", "cubed", "!"} or tokens[-1] in {"(", "neg"}
