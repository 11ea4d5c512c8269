"""Figures over time: settings, tables, and how the recorder is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from services.messages.metrics import DescribeMetrics, QueryMetrics
from services.metrics.recorder import Recorder
from services.metrics.service import MetricsService
from services.metrics.store import MetricsStore
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

SCHEMA = Schema("metrics", Path(__file__).with_name("migrations") / "metrics")


class MetricsSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_days: int = Field(default=14, ge=1, le=400)
    """Days that single measurements are kept; older ones are dropped a day at a time."""
    keep_rollups_days: int = Field(default=400, ge=1, le=4000)
    """Days that hourly and daily figures are kept."""
    every_s: float = Field(default=10.0, ge=1, le=3600)
    """Seconds between two measurements of memory, event loop and bus."""


def specs(settings: MetricsSettings, _: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    store = MetricsStore(database)
    recorder = Recorder(store)  # outlives the service: a crash loses no figures

    def make() -> MetricsService:
        return MetricsService(
            recorder,
            store,
            every_s=settings.every_s,
            keep_days=settings.keep_days,
            keep_rollups_days=settings.keep_rollups_days,
        )

    return [ServiceSpec(name="metrics", make=make, drain_within=8, answers=(QueryMetrics, DescribeMetrics))]


def tables(_: MetricsSettings) -> Sequence[Schema]:
    return (SCHEMA,)


PART = Part(name="metrics", settings=MetricsSettings, specs=specs, tables=tables)
