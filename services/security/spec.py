"""Who uses Solo: it contributes the tables, the schema `users`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

USERS = Schema("users", Path(__file__).parent / "migrations" / "users")


def specs(_: None, __: MachineSettings, ___: Database) -> Sequence[ServiceSpec]:
    return ()


def tables(_: None) -> Sequence[Schema]:
    return (USERS,)


PART = Part(name="security", settings=None, specs=specs, tables=tables)
