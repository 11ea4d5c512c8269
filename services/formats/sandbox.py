"""Jinja for templates of strangers: nothing outside can be reached, and neither time nor memory runs away.

Every step is paid for out of a budget, so what a template may do depends on the template alone, never on how busy the
machine is. This module imports Jinja: import it where a template is needed, not before.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from string import Formatter
from typing import Any

from jinja2 import TemplateError, TemplateRuntimeError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.formats.marking import within_json
from services.formats.metering import Generation, Meter

FAILURES = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""A template is code: rendering it may fail in any way that an expression of Python can."""
LONGEST_SOURCE = 256 * 1024
"""Characters; the longest chat template known to llama.cpp's tests has 17 000."""
LONGEST_VALUE = 1024 * 1024
"""Characters or elements of anything that a template makes; a rendered prompt has marks in place of contents."""
LARGEST_NUMBER = 64
"""Bits."""
WIDEST = 99
"""Blanks that a filter may put before a line, or a format before a value."""
BUDGET, FOR_EACH = 2_000_000, 20_000
"""Units of work in one rendering (a unit is a node of the template evaluated, or a character made), and how many more
for each message. Of the 66 templates in llama.cpp's repository the dearest takes 40 000 for three messages and 520 000
for a hundred; all of the budget is about a second's work."""
TEXT = frozenset({"tojson", "trim", "string", "join", "upper", "lower", "replace", "indent", "capitalize", "title"})
"""Filters that go through everything they are given."""
LISTS = frozenset(
    {"length", "count", "first", "last", "default", "d", "list", "selectattr", "rejectattr", "select", "reject", "map"}
    | {"items", "reverse", "dictsort", "sort", "unique", "sum", "min", "max", "int", "float", "round", "abs"}
)
"""Filters that go through a list at most. All others are not there."""
METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {"strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "lower", "upper"}
        | {"title", "capitalize", "find", "rfind", "index", "count", "removeprefix", "removesuffix", "partition"}
        | {"rpartition", "replace", "join", "format", "isdigit", "isalpha", "isalnum", "isnumeric", "isspace"}
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"index", "count"}),
    tuple: frozenset({"index", "count"}),
}


class BudgetSpent(TemplateRuntimeError):
    """The template does too much work, or makes something too large."""


def size_of(value: Any, most: int = LONGEST_VALUE) -> int:
    """Characters and elements of a value and all in it. Raises `BudgetSpent` above `most`."""
    size, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, dict):
            size += len(item)
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            size += len(item)
            waiting.extend(item)
        size += 1
        if size > most:
            raise BudgetSpent("the template makes something too large")
    return size


class Sandbox(ImmutableSandboxedEnvironment):
    """`today`: the day that `strftime_now` tells; it tells no time of day, so that a prompt's beginning stays the same
    for a day. One template is rendered at a time."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(self, today: Callable[[], date] = lambda: datetime.now().astimezone().date()) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", Generation],
            finalize=self._shown,
        )
        self._left = BUDGET
        self._longest = 0
        own = {"tojson": self._tojson, "safe": lambda value: value}
        filters = {**{name: self.filters[name] for name in TEXT | LISTS if name in self.filters}, **own}
        self.filters.clear()
        self.filters.update({name: self._paid(name, filter_) for name, filter_ in filters.items()})
        del self.globals["lipsum"]  # random
        self.globals["range"] = self._range
        self.globals["raise_exception"] = self._raise_exception
        self.globals["strftime_now"] = lambda form: datetime.combine(today(), time.min).strftime(str(form)[:WIDEST])

    def compiled(self, source: str) -> Callable[[dict[str, Any], int], str]:
        """A function of variables and the number of messages that renders; fails with one of `FAILURES`."""
        if len(source) > LONGEST_SOURCE:
            raise BudgetSpent(f"the template has {len(source)} characters")
        self._begin(0, 0)
        tree = Meter(self).visit(self.parse(source))
        longest = max(
            (len(node.value) for node in tree.find_all(nodes.Const) if isinstance(node.value, str)), default=0
        )
        template = self.template_class.from_code(self, self.compile(tree), self.make_globals(None), None)

        def rendered(variables: dict[str, Any], messages: int) -> str:
            self._begin(messages, max(longest, messages))
            pieces, length = [], 0
            for piece in template.generate(variables):
                pieces.append(piece)
                length += len(piece)
                if length > LONGEST_VALUE:
                    raise BudgetSpent("the prompt is too long")
            text = "".join(pieces)
            text.encode()  # half a surrogate pair is no text
            return text

        return rendered

    def _begin(self, messages: int, longest: int) -> None:
        self._left = BUDGET + FOR_EACH * messages
        self._longest = longest

    def tick(self, units: int) -> bool:
        """Pay for one run of a loop's or a macro's body; what is long costs more, whatever is done with it."""
        self._pay(units * (1 + self._longest // 1024))
        return True

    def concat_texts(self, *values: Any) -> str:
        """What the operator `~` does."""
        self._pay(size_of(values))
        return str(self._made("".join(map(str, values))))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(side) for side in (left, right) if isinstance(side, (str, list, tuple))]
        numbers = [side for side in (left, right) if isinstance(side, (int, float))]
        if operator == "**" and not all(abs(number) <= LARGEST_NUMBER for number in numbers):
            raise BudgetSpent("the template reckons with numbers too large")
        if operator == "%" and isinstance(left, str):
            self._pay(size_of([left, right]))
            if re.search(r"%[^a-zA-Z%]*(\d{3}|\*)", left):
                raise BudgetSpent("the template pads a text")
        if operator == "*" and sizes and numbers and sizes[0] * abs(numbers[0]) > LONGEST_VALUE:
            raise BudgetSpent("the template repeats a text or list too often")
        if operator == "+" and sum(sizes) > LONGEST_VALUE:
            raise BudgetSpent("the template makes something too large")
        return self._made(super().call_binop(context, operator, left, right))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, names in METHODS.items():
            if isinstance(obj, kind):
                return attr in names
        return bool(super().is_safe_attribute(obj, attr, value))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        raise SecurityError(f"the template asks for {attribute!r} of a {type(obj).__name__}")

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        format_ = super().wrap_str_format(value)
        if format_ is None:
            return None

        def checked(*args: Any, **kwargs: Any) -> str:
            self._check_format(value.__self__, args, kwargs)
            return format_(*args, **kwargs)

        return checked

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if owner is self:
            return obj(*args)
        if isinstance(owner, str):
            self._pay(len(owner))
            if name == "replace":
                self._check_replace(owner, *args)
            elif name == "join" and args:
                args = (self._check_join(args[0], owner), *args[1:])
        return self._made(super().call(context, obj, *args, **kwargs))

    def _pay(self, units: int) -> None:
        self._left -= units
        if self._left < 0:
            raise BudgetSpent("the template takes too long")

    def _made(self, value: Any) -> Any:
        if isinstance(value, (str, list, tuple)):
            if len(value) > LONGEST_VALUE:
                raise BudgetSpent("the template makes something too large")
            self._longest = max(self._longest, len(value))
            self._pay(len(value))
        elif isinstance(value, int) and value.bit_length() > LARGEST_NUMBER:
            raise BudgetSpent("the template reckons with numbers too large")
        return value

    def _shown(self, value: Any) -> str:
        self._pay(size_of(value))
        return str(self._made(str(value)))

    def _paid(self, name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
        """The filter, which checks and pays before it runs. Jinja hands some an environment or a context first."""
        first = 1 if hasattr(filter_, "jinja_pass_arg") else 0

        def paying(*args: Any, **kwargs: Any) -> Any:
            value, rest = args[first], args[first + 1 :]
            if name in TEXT:
                self._pay(size_of([value, *rest, *kwargs.values()]))
            elif hasattr(value, "__len__"):
                self._pay(len(value))
            if name == "replace" and isinstance(value, str):
                self._check_replace(value, *rest)
            elif name == "join":
                separator = rest[0] if rest else kwargs.get("d", "")
                args = (*args[:first], self._check_join(value, separator), *rest)
            elif any(isinstance(width, int) and width > WIDEST for width in (*rest, *kwargs.values())):
                raise BudgetSpent(f"the template asks the filter {name} for too much")
            elif name == "indent" and isinstance(value, str):
                width = rest[0] if rest else kwargs.get("width", 4)
                self._check_replace(value, "\n", width if isinstance(width, str) else " " * int(width))
            return self._made(filter_(*args, **kwargs))

        functools.update_wrapper(paying, filter_)  # with what tells Jinja what to hand it first
        return paying

    @staticmethod
    def _check_replace(text: str, old: Any = "", new: Any = "", *_: Any) -> None:
        if (text.count(str(old)) + 1) * len(str(new)) > LONGEST_VALUE:
            raise BudgetSpent("the template makes something too large")

    @staticmethod
    def _check_join(values: Any, separator: Any) -> Any:
        values = list(values)
        if size_of(values) + len(values) * len(str(separator)) > LONGEST_VALUE:
            raise BudgetSpent("the template makes something too large")
        return values

    def _check_format(self, text: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self._pay(size_of([text, args, kwargs]))
        if any("{" in (spec or "") or re.search(r"\d{3}", spec or "") for _, _, spec, _ in Formatter().parse(text)):
            raise BudgetSpent("the template pads a text")

    def _range(self, *limits: int) -> list[int]:
        numbers = range(*limits)
        if len(numbers) > LONGEST_VALUE:
            raise BudgetSpent("the template counts too far")
        self._pay(len(numbers))
        return list(numbers)

    @staticmethod
    def _raise_exception(message: object = "") -> None:
        raise TemplateRuntimeError(str(message)[:200])

    @staticmethod
    def _tojson(
        value: Any, indent: int | None = None, separators: Any = None, sort_keys: bool = False, **_: Any
    ) -> str:
        said = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
        return within_json(said)
