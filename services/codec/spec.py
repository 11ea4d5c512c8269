"""Sound files: settings and how their services are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.codec.service import DecoderService, EncoderService
from services.messages.codec import ConvertSound, DecodeSound, EncodeSound, ResampleSound
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "pyav": "services.codec.adapters.pyav:PyAV",
    "fake": "services.codec.adapters.fake:FakeCodec",
}


class CodecSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["pyav", "fake"] = "pyav"
    """Which engine reads and makes sound files."""
    most_minutes: float = Field(default=30, gt=0, le=240)
    """Longest sound that is taken for transcription."""
    memory_mb: int = Field(default=512, ge=128)
    """Private memory after which the process that reads a file fails, alone."""


def specs(settings: CodecSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    engine = EngineSpec(
        adapter=_ADAPTERS[settings.engine],
        options={"most_s": settings.most_minutes * 60},
        memory_limit=settings.memory_mb * 1024**2,
    )
    return [
        ServiceSpec(name="decoder", make=lambda: DecoderService(engine), answers=(DecodeSound,)),
        ServiceSpec(
            name="encoder", make=lambda: EncoderService(engine), answers=(EncodeSound, ConvertSound, ResampleSound)
        ),
    ]


PART = Part(name="codec", settings=CodecSettings, specs=specs)
