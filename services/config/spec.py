"""The settings as a service: how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.config.service import ConfigService
from services.messages.config import ChangeConfig, DescribeConfig
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec


def specs(settings: None, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    changed: dict[str, Any] = {}
    return [
        ServiceSpec(
            name="config",
            make=lambda: ConfigService(machine, changed),
            answers=(DescribeConfig, ChangeConfig),
        )
    ]


PART = Part(name="config", settings=None, specs=specs)
