"""The port of sentence templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from solo.errors import SoloError


class TemplateBroken(SoloError):
    """A sentence template cannot be read."""

    code = "skills.bad_template"

    def __init__(self, message: str | None = None, *, hint: str = "", line: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.at_line = line
        """Of the document, from 1."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a template is like."""

    ways: int
    """How many sentences it stands for, each gap counted as one."""
    has_words: bool
    """Some word has to be said."""


@dataclass(frozen=True, slots=True)
class Slot:
    text: str
    """What was said in the gap."""
    at: int
    """Where in the text it begins."""


@dataclass(frozen=True, slots=True)
class Found:
    """A template that a sentence fits."""

    skill: str
    slots: Mapping[str, Slot] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Slots that the template itself fills, whatever was said."""


class Templates(Protocol):
    """Compiled templates."""

    def find(self, text: str) -> Iterator[Found]:
        """Every template that the whole of the text fits, as often as it does."""
        ...


class Compiler(Protocol):
    """Makes templates. Takes milliseconds: not to be called on the loop."""

    def compile(self, language: str, documents: Sequence[Mapping[str, Any]]) -> Templates:
        """Documents in hassil's format, put together. Raises TemplateBroken."""
        ...

    def read(self, text: str) -> Any:
        """A YAML document of our own."""
        ...

    def read_with_lines(self, text: str) -> tuple[Any, Mapping[tuple[str | int, ...], int]]:
        """A YAML document of somebody's, and the line of each place in it. Raises TemplateBroken with its line."""
        ...

    def shape(self, sentence: str, lists: Mapping[str, Sequence[str]]) -> Shape:
        """Of one template. Raises TemplateBroken."""
        ...
