"""What the composition root hands to the runner, and what each part hands to the composition root."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec


def no_tables(_: Any) -> Sequence[Schema]:
    return ()


@dataclass(frozen=True, slots=True)
class Part:
    """One folder of `services/`: its settings section, its tables and the services it contributes."""

    name: str
    settings: type[BaseModel] | None
    specs: Callable[[Any, MachineSettings, Database], Sequence[ServiceSpec]]
    """Called with the part's own settings section (None without one), those of the machine, and the database."""
    tables: Callable[[Any], Sequence[Schema]] = field(default=no_tables)
    """The PostgreSQL schemas that it owns; called with its settings section."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What the runner runs."""

    machine: MachineSettings
    build: Callable[[], Sequence[ServiceSpec]]
    """Called once the state directory is locked: specs may open sockets and files."""
    schemas: tuple[Schema, ...] = ()
    """What the database should hold, in the order in which it is made."""
    some: Callable[[Collection[str]], Sequence[ServiceSpec]] = field(default=lambda _: ())
    """The services of the parts of these names alone, without the database: for a recording that is played again."""
