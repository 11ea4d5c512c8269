"""Ears, mouths and the local sound device: settings and how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.audio.device_service import DeviceService
from services.audio.ear import EarPolicy
from services.audio.endpointing import EndpointingPolicy
from services.audio.service import AudioService
from services.messages.audio import Attach, DescribeSources, PlaySound, StopSound
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "device": "services.audio.adapters.sounddevice:SoundDevice",
    "wav": "services.audio.adapters.wav_file:WavFile",
    "fake": "services.audio.adapters.fake:FakeDevice",
}


class AudioSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str = "device"
    """`device` (microphone and loudspeaker), `none`, or `wav:PATH` (a file heard as if spoken; add `:loop`)."""
    microphone: str | None = None
    """Name or number of the microphone; unset: the system's default."""
    loudspeaker: str | None = None
    """Name or number of the loudspeaker; unset: the system's default."""
    end_silence_ms: int = Field(default=480, ge=100, le=5000)
    """Silence after which a question is over. Shorter answers sooner, longer lets people think."""
    pause_ms: int = Field(default=160, ge=64, le=5000)
    """Silence after which transcription starts, in case the question is over."""
    wake_timeout_s: float = Field(default=6.0, ge=1, le=60)
    """Silence after the wake word until Solo stops listening."""

    @field_validator("input")
    @classmethod
    def _known(cls, value: str) -> str:
        kind, _, rest = value.partition(":")
        if kind not in {"device", "none", "wav", "fake"} or (kind == "wav" and not rest):
            raise ValueError("use device, none or wav:PATH")
        return value


def specs(settings: AudioSettings, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    policy = EarPolicy(
        endpointing=EndpointingPolicy(end_ms=settings.end_silence_ms, pause_ms=settings.pause_ms),
        question_within_s=settings.wake_timeout_s,
    )
    ears = ServiceSpec(
        name="audio",
        make=lambda: AudioService(policy),
        essential=True,
        answers=(Attach, PlaySound, StopSound, DescribeSources),
    )
    kind, _, path = settings.input.partition(":")
    if kind == "none":
        return [ears]
    options: dict[str, Any] = {}
    if kind == "device":
        options = {"microphone": settings.microphone, "loudspeaker": settings.loudspeaker}
    elif kind == "wav":
        options = {"path": path.removesuffix(":loop"), "loop": path.endswith(":loop")}
    engine = EngineSpec(adapter=_ADAPTERS[kind], options=options, threads=1, memory_limit=1024**3)
    return [
        ears,
        ServiceSpec(name="device", make=lambda: DeviceService(engine), holds=("audio",), drain_within=machine.drain_s),
    ]


PART = Part(name="audio", settings=AudioSettings, specs=specs)
