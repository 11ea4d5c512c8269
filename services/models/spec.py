"""The model files that are known: it contributes the tables, the schema `models`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

MODELS = Schema("models", Path(__file__).parent / "migrations" / "models")


def specs(_: None, __: MachineSettings, ___: Database) -> Sequence[ServiceSpec]:
    return ()


def tables(_: None) -> Sequence[Schema]:
    return (MODELS,)


PART = Part(name="models", settings=None, specs=specs, tables=tables)
