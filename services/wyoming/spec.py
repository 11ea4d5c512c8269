"""Wyoming: settings and how it is made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.formats.wyoming.place import Place
from services.messages.profiles import OWNER
from services.wyoming.door import Peers, open_door
from services.wyoming.satellites.keeping import Known
from services.wyoming.service import Plan, WyomingService
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class SatelliteSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Small letters, digits, - and _; its sound source is `satellite-` and this."""
    address: str
    """Where it listens, such as tcp://192.168.1.30:10700."""
    room: str | None = None
    """Satellites of one room hear the same wake word: the first one answers."""

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a satellite's name has up to 40 small letters, digits, - and _")
        return name

    @field_validator("address")
    @classmethod
    def _is_place(cls, address: str) -> str:
        Place.parse(address)
        return address


class WyomingSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str | None = None
    """Address and port for Wyoming's clients, such as 127.0.0.1:10300; unset: none are let in.

    Wyoming asks nobody who they are: other addresses than loopback need `peers`."""
    peers: tuple[str, ...] = ()
    """Addresses or networks of the clients that may come from other machines."""
    satellites: tuple[SatelliteSettings, ...] = ()
    """Satellites to connect to, each with name and address, and a room where there are several."""
    languages: tuple[str, ...] = ("en",)
    """Languages in which clients may ask questions, as they are told."""
    profile: str = Field(default=OWNER, min_length=1, max_length=100)
    """Whose history and memory clients and satellites speak with."""

    @field_validator("peers")
    @classmethod
    def _are_peers(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        Peers.parse(peers)
        return peers

    @field_validator("satellites")
    @classmethod
    def _differ(cls, satellites: tuple[SatelliteSettings, ...]) -> tuple[SatelliteSettings, ...]:
        if len({satellite.name for satellite in satellites}) < len(satellites):
            raise ValueError("two satellites have the same name")
        return satellites


def specs(settings: WyomingSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    if not settings.listen and not settings.satellites:
        return []
    peers = Peers.parse(settings.peers)
    plan = Plan(
        door=open_door(settings.listen, peers) if settings.listen else None,
        peers=peers,
        satellites=tuple(Known(each.name, Place.parse(each.address), each.room) for each in settings.satellites),
        languages=settings.languages,
        profile=settings.profile,
    )
    return [ServiceSpec(name="wyoming", make=lambda: WyomingService(plan), drain_within=machine.drain_s)]


PART = Part(name="wyoming", settings=WyomingSettings, specs=specs)
