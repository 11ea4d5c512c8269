"""The composition root: the one place that names every part."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from solo.settings import MachineSettings, load, settings_class
from solo.supervision import Part, ServiceSpec, Tree

# Started together; stopped from the last to the first: the door closes, the conversation finishes its turns with
# everything that it needs for them, then the engines and the ears go.
# A line taken out, and its folder deleted, leaves a Solo that runs without that part.
PARTS = (
    "services.audio.spec",
    "services.vad.spec",
    "services.wake.spec",
    "services.stt.spec",
    "services.llm.spec",
    "services.tts.spec",
    "services.conversation.spec",
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

    def build() -> Sequence[ServiceSpec]:
        specs: list[ServiceSpec] = []
        for part in parts():
            section = getattr(settings, part.name) if part.settings is not None else None
            specs.extend(part.specs(section, settings))
        return specs

    return Tree(machine=settings, build=build)
