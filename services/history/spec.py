"""What was done, and how it went: it contributes the tables, the schema `history`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

HISTORY = Schema("history", Path(__file__).parent / "migrations" / "history")


def specs(_: None, __: MachineSettings, ___: Database) -> Sequence[ServiceSpec]:
    return ()


def tables(_: None) -> Sequence[Schema]:
    return (HISTORY,)


PART = Part(name="history", settings=None, specs=specs, tables=tables)
