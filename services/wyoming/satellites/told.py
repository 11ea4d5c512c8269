"""What a satellite says of itself, and the name that it is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wyoming.event import Event
from wyoming.info import Info

from services.formats.wyoming.frames import BadEvent, read, text_of

_ODD = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Told:
    """What a satellite says of itself."""

    name: str = ""
    area: str | None = None

    @classmethod
    def of(cls, event: Event) -> Told:
        """Of an `info`; what cannot be read says nothing."""
        try:
            satellite = read(Info, event).satellite
            if satellite is None:
                return cls()
            area = None if satellite.area is None else text_of(satellite.area, "the area", 100)
            return cls(text_of(satellite.name, "the name", 100), area)
        except BadEvent:
            return cls()


def free_name(wished: str, taken: Mapping[str, object]) -> str:
    """As it calls itself, in letters and digits; with a number where another has that name."""
    plain = _ODD.sub("-", wished.lower()).strip("-")[:40] or "guest"
    if plain not in taken:
        return plain
    return next(name for number in range(2, len(taken) + 3) if (name := f"{plain}-{number}") not in taken)
