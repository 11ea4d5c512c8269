"""Any message of any kind, as its fields allow: usual values, and those that nobody thought of."""

from __future__ import annotations

import enum
import importlib
import pkgutil
import random
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

import services.messages
from solo.bus.message import Message

M = TypeVar("M", bound=Message)
_OWN = frozenset({"id", "cause", "monotonic", "wall"})
"""What the bus and the message itself write."""
_TEXTS = (
    "",
    " ",
    "a",
    "stop",
    "What is it?",
    "\x00",
    "\ud7ff\u202e",
    "é" * 50,
    "x" * 5000,
    "../..",
    "'; --",
    "{}",
    "<b>",
)
_NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-9, 1e9, -1e9, 1e300, float("inf"), float("-inf"), float("nan"))
_COUNTS = (0, 1, -1, 2, 80, 255, 16_000, 2**31, -(2**31), 2**63 - 1, -(2**63))
_TRIES = 50


def kinds(base: type[M]) -> list[type[M]]:
    """All that there are below `base` in the vocabulary and in Solo itself, by name."""
    for module in pkgutil.iter_modules(services.messages.__path__):
        importlib.import_module(f"services.messages.{module.name}")
    own = [kind for kind in _below(base) if kind.__module__.startswith(("services.messages.", "solo."))]
    return sorted(set(own), key=lambda kind: kind.__name__)


def _below(base: type[M]) -> Iterator[type[M]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)


class RandomMessages:
    """`names`: strings that mean something to whoever gets the message, such as sources and turns."""

    def __init__(self, rng: random.Random, names: Sequence[str]) -> None:
        self._rng = rng
        self._names = names

    def one(self, kind: type[M]) -> M:
        """Raises ValueError where no try meets what the kind asks for."""
        for _ in range(_TRIES):
            try:
                return kind(**{
                    name: self._any(field.annotation)
                    for name, field in kind.model_fields.items()
                    if name not in _OWN and (field.is_required() or self._rng.random() < 0.7)
                })  # fmt: skip
            except ValidationError:
                continue
        raise ValueError(f"no {kind.__name__} in {_TRIES} tries")

    def _any(self, annotation: Any) -> Any:
        origin, given = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._any(given[0])
        if origin is Literal:
            return self._rng.choice(given)
        if origin in {Union, types.UnionType}:
            return self._any(self._rng.choice(given))
        if origin in {tuple, list, frozenset, set}:
            item = given[0] if given else str
            return origin(self._any(item) for _ in range(self._rng.randrange(4)))
        if origin is dict:
            return {self._any(given[0]): self._any(given[1]) for _ in range(self._rng.randrange(4))}
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            return self._rng.choice(list(annotation))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation(**{
                name: self._any(field.annotation)
                for name, field in annotation.model_fields.items()
                if field.is_required() or self._rng.random() < 0.7
            })  # fmt: skip
        made = _SIMPLE.get(annotation)
        if made is None:
            raise TypeError(f"nothing random for {annotation}")
        return made(self._rng, self._names)


_SIMPLE: dict[Any, Callable[[random.Random, Sequence[str]], Any]] = {
    str: lambda rng, names: rng.choice(names if rng.random() < 0.6 else _TEXTS),
    bytes: lambda rng, _: rng.randbytes(rng.choice((0, 1, 2, 319, 320, 2560, 5120, 64_001))),
    int: lambda rng, _: rng.choice(_COUNTS) if rng.random() < 0.5 else rng.randrange(200_000),
    float: lambda rng, _: rng.choice(_NUMBERS) if rng.random() < 0.3 else rng.uniform(0, 5000),
    bool: lambda rng, _: rng.random() < 0.5,
    type(None): lambda *_: None,
    Any: lambda rng, names: rng.choice((None, 0, rng.choice(names))),
}
