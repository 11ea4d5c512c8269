"""The HTTP door: how it is made."""

from __future__ import annotations

from collections.abc import Sequence

from services.api.door import open_door
from services.api.recent import RecentTurns
from services.api.service import APIService
from solo.parts import Part
from solo.settings import MachineSettings
from solo.state_dir import StateDir
from solo.storage import Database
from solo.supervision import ServiceSpec


def specs(settings: None, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    home = StateDir(machine.state_dir)
    key = home.owner_key(create=True)
    assert key is not None
    door = open_door(machine.port)
    home.announce(door.getsockname()[1])
    recent = RecentTurns()
    return [
        ServiceSpec(
            name="api",
            make=lambda: APIService(door, key, recent, machine.drain_s),
            drain_within=machine.drain_s,
            essential=True,
        )
    ]


PART = Part(name="api", settings=None, specs=specs)
