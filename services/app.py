"""The composition root: the one place that names every part."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from solo.parts import Part, Tree
from solo.settings import MachineSettings, load, settings_class
from solo.storage import Database, Schema
from solo.storage.service import database_specs
from solo.supervision import ServiceSpec

# Started together; stopped from the last to the first: the door closes, the conversation finishes its turns with
# everything that it needs for them, then the engines and the ears go, and last, before all parts, the database.
# A line taken out, and its folder deleted, leaves a Solo that runs without that part.
PARTS = (
    "services.blackbox.spec",
    "services.audio.spec",
    "services.vad.spec",
    "services.turns.spec",
    "services.wake.spec",
    "services.stt.spec",
    "services.codec.spec",
    "services.llm.spec",
    "services.tts.spec",
    "services.security.spec",
    "services.models.spec",
    "services.history.spec",
    "services.metrics.spec",
    "services.chats.spec",
    "services.memory.spec",
    "services.skills.spec",
    "services.conversation.spec",
    "services.wyoming.spec",
    "services.config.spec",
    "services.api.spec",
)


def parts() -> tuple[Part, ...]:
    loaded = tuple(importlib.import_module(name).PART for name in PARTS)
    assert all(isinstance(part, Part) for part in loaded)
    return loaded


def settings_type() -> type[MachineSettings]:
    """The machine's settings with the section of every part."""
    sections: dict[str, type[BaseModel]] = {part.name: part.settings for part in parts() if part.settings is not None}
    return settings_class(sections)


def tree(flags: Mapping[str, Any]) -> Tree:
    """Settings from flags, environment and files, and from them the services."""
    settings = load(settings_type(), flags)
    sections = {part.name: getattr(settings, part.name) for part in parts() if part.settings is not None}
    schemas: tuple[Schema, ...] = tuple(schema for part in parts() for schema in part.tables(sections.get(part.name)))

    def build() -> Sequence[ServiceSpec]:
        database = Database(settings.database.connections)
        specs = list(database_specs(settings, database, schemas))
        for part in parts():
            specs.extend(part.specs(sections.get(part.name), settings, database))
        return specs

    def some(names: Collection[str]) -> Sequence[ServiceSpec]:
        database = Database(settings.database.connections)
        chosen = [part for part in parts() if part.name in names]
        return [spec for part in chosen for spec in part.specs(sections.get(part.name), settings, database)]

    return Tree(machine=settings, build=build, schemas=schemas, some=some)
