"""A calculator for what can be said in a sentence: no names, no calls, bounded in length and size."""

from __future__ import annotations

import decimal
import re
from decimal import Decimal

from solo.errors import SoloError

MOST_TOKENS = 60
MOST_DIGITS = 30
"""Of a result, before the point."""
_MOST_EXPONENT = 512
_NUMBER = re.compile(rf"\d{{1,{MOST_DIGITS}}}(?:\.\d{{1,{MOST_DIGITS}}})?", re.ASCII)
_CONTEXT = decimal.Context(
    prec=34,
    Emax=_MOST_EXPONENT,
    Emin=-_MOST_EXPONENT,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
_BINARY = {"+": 1, "-": 1, "*": 2, "/": 2, "mod": 2, "of": 3, "^": 5}
_UNARY = {"neg": 4, "sqrt": 4, "cbrt": 4, "double": 4}
_OPEN, _CLOSE = "()"
_RIGHT = {"^"}
"""Of two of these the right one comes first."""
_POSTFIX = {"squared", "cubed", "!", "%"}


class NoSum(SoloError):
    """That is no sum."""

    code = "skills.no_sum"


class SumImpossible(SoloError):
    """The sum has no result that can be told."""

    code = "skills.sum_impossible"


def evaluate(sum_: str) -> Decimal:
    """The value of tokens with spaces between them: numbers, `( ) + - * / ^ mod of`, before a number `neg sqrt cbrt
    double`, behind it `squared cubed ! %`. Raises NoSum for what is none, SumImpossible for 1 / 0 and the like."""
    tokens = sum_.split()
    if not tokens or len(tokens) > MOST_TOKENS:
        raise NoSum
    try:
        with decimal.localcontext(_CONTEXT):
            value = _evaluate(tokens)
    except decimal.DivisionByZero:
        raise SumImpossible("nothing can be divided by zero") from None
    except (decimal.InvalidOperation, decimal.Overflow):
        raise SumImpossible("that has no result, or a very large one") from None
    if value and value.adjusted() >= MOST_DIGITS:
        raise SumImpossible("that is too large a number to say")
    return value


def _evaluate(tokens: list[str]) -> Decimal:
    """Shunting-yard: operators wait on a stack until one that binds less comes."""
    values: list[Decimal] = []
    waiting: list[str] = []
    operand = True
    """A number is expected, not an operator."""
    for token in tokens:
        if operand and (token in _UNARY or token == _OPEN):
            waiting.append(token)
        elif operand:
            values.append(_number(token))
            operand = False
        elif token in _POSTFIX:
            values.append(_postfix(token, values.pop()))
        elif token == _CLOSE:
            while waiting and waiting[-1] != _OPEN:
                _apply(waiting.pop(), values)
            if not waiting:
                raise NoSum
            waiting.pop()
        elif token in _BINARY:
            while waiting and waiting[-1] != _OPEN and _binds(waiting[-1]) >= _BINARY[token] + (token in _RIGHT):
                _apply(waiting.pop(), values)
            waiting.append(token)
            operand = True
        else:
            raise NoSum
    if operand:
        raise NoSum
    while waiting:
        _apply(waiting.pop(), values)
    if len(values) != 1:
        raise NoSum
    return values[0]


def _number(token: str) -> Decimal:
    if not _NUMBER.fullmatch(token):
        raise NoSum
    return Decimal(token)


def _binds(operator: str) -> int:
    return _BINARY.get(operator) or _UNARY[operator]


def _apply(operator: str, values: list[Decimal]) -> None:
    if operator == _OPEN:
        raise NoSum
    right = values.pop()
    if operator in _UNARY:
        values.append(_unary(operator, right))
        return
    left = values.pop()
    values.append(_binary(operator, left, right))


def _unary(operator: str, value: Decimal) -> Decimal:
    if operator == "neg":
        return -value
    if operator == "double":
        return 2 * value
    if operator == "sqrt":
        return value.sqrt()
    root = (abs(value) ** (Decimal(1) / 3)).copy_sign(value) if value else value
    whole = root.to_integral_value()
    return whole if whole**3 == value else root


def _postfix(operator: str, value: Decimal) -> Decimal:
    if operator == "squared":
        return value * value
    if operator == "cubed":
        return value * value * value
    if operator == "%":
        return value / 100
    if value != value.to_integral_value() or not 0 <= value <= 28:
        raise SumImpossible("that has no factorial that can be said")
    product = Decimal(1)
    for factor in range(2, int(value) + 1):
        product *= factor
    return product


def _binary(operator: str, left: Decimal, right: Decimal) -> Decimal:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator in {"*", "of"}:
        return left * right
    if operator == "/":
        return left / right
    if operator == "mod":
        return left % right
    if abs(right) > _MOST_EXPONENT:
        raise SumImpossible("that is too large a power")
    return left**right
