"""Turn models: settings and how one is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.turntaking import JudgeTurnEnd
from services.turns.service import TurnsService, Waits
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "smart-turn": "services.turns.adapters.smart_turn:SmartTurn",
    "fake": "services.turns.adapters.fake:FakeTurnModel",
}


class TurnsSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["none", "smart-turn", "fake"] = "none"
    """Which model listens for the end of a turn; `none`: silence and words decide, which costs nothing."""
    model: Path | None = None
    """A Smart Turn v3 file (`.onnx`); unset: the one inside the package pipecat-ai, where that is installed."""
    sure_ms: float = Field(default=200.0, ge=0, le=5000)
    """Silence that ends a turn which the model takes for certainly finished."""
    unsure_ms: float = Field(default=480.0, ge=0, le=5000)
    """Silence that ends one which it takes for as likely finished as not."""
    unfinished_ms: float = Field(default=1200.0, ge=0, le=10_000)
    """Silence that ends one which it takes for unfinished."""
    threads: int = Field(default=1, ge=1, le=64)
    """CPU threads of the model."""


def specs(settings: TurnsSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    if settings.engine == "none":
        return []
    options: dict[str, object] = {"model": str(settings.model) if settings.model else None, "threads": settings.threads}
    engine = EngineSpec(
        adapter=_ADAPTERS[settings.engine], options=options, threads=settings.threads, memory_limit=1024**3
    )
    waits = Waits(settings.sure_ms, settings.unsure_ms, settings.unfinished_ms)
    return [ServiceSpec(name="turns", make=lambda: TurnsService(engine, waits), answers=(JudgeTurnEnd,))]


PART = Part(name="turns", settings=TurnsSettings, specs=specs)
