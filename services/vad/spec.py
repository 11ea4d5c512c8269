"""Voice activity: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from services.messages.speech import ScoreSpeech
from services.vad.service import VADService
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "silero": "services.vad.adapters.silero:SileroVAD",
    "fake": "services.vad.adapters.fake:FakeVAD",
}


class VADSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["silero", "fake"] = "silero"
    """Which engine tells speech from other sound."""


def specs(settings: VADSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    engine = EngineSpec(adapter=_ADAPTERS[settings.engine], threads=1, memory_limit=512 * 1024**2)
    return [ServiceSpec(name="vad", make=lambda: VADService(engine), answers=(ScoreSpeech,))]


PART = Part(name="vad", settings=VADSettings, specs=specs)
