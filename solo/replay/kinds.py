"""Messages by their names: only those that are loaded, since a recording may come from anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from solo.bus import Event, Message, Request, StreamRequest
from solo.replay.sounds import with_sounds


def known() -> dict[str, type[Message]]:
    """Every kind of message that is loaded."""
    return {kind.__name__: kind for kind in _below(Message)}


def message(kind: type[Message], data: Mapping[str, Any], books: Mapping[str, bytes]) -> Any:
    """As it was, but now; fields that it no longer has are left out. Raises ValueError or LookupError."""
    fields = {name: value for name, value in data.items() if name in kind.model_fields}
    return kind.model_validate(with_sounds(fields, books))


def answer(kind: type[Message], value: Any, books: Mapping[str, bytes]) -> Any:
    """What a question of this kind is answered with. Raises ValueError or LookupError."""
    return TypeAdapter(_answer_type(kind)).validate_python(with_sounds(value, books))


def is_stream(kind: type[Message]) -> bool:
    return issubclass(kind, StreamRequest)


def is_event(kind: type[Message]) -> bool:
    return issubclass(kind, Event)


def _answer_type(kind: type[Message]) -> Any:
    for parent in kind.__mro__:
        if issubclass(parent, BaseModel):
            generic = parent.__pydantic_generic_metadata__
            if generic["origin"] in (Request, StreamRequest):
                return generic["args"][0]
    raise ValueError(f"{kind.__name__} is no question")


def _below(kind: type[Message]) -> Iterator[type[Message]]:
    for one in kind.__subclasses__():
        if "[" not in one.__name__:
            yield one
        yield from _below(one)
