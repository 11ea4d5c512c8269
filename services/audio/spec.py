"""Ears, mouths and the local sound device: settings and how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.audio.endpointing import EndpointingPolicy
from services.audio.local.service import DeviceService
from services.audio.service import ANSWERS, AudioService
from services.audio.utterance import EarPolicy
from services.audio.waiting import WaitBounds
from services.messages.device import DescribeDevice
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
_LOOKS = {
    "device": "services.audio.adapters.portaudio:Look",
    "fake": "services.audio.adapters.fake:FakeLook",
}


class AudioSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str = "device"
    """`device` (microphone and loudspeaker), `none`, or `wav:PATH` (a file heard as if spoken; add `:loop`)."""
    microphone: str | None = None
    """Name or number of the microphone; unset: the system's default."""
    loudspeaker: str | None = None
    """Name or number of the loudspeaker; unset: the system's default."""
    echo: Literal["auto", "webrtc", "off"] = "auto"
    """Whether the loudspeaker's sound is taken out of the microphone's; auto: where WebRTC's canceller runs."""
    noise_suppression: bool = False
    """Take steady noise out of the microphone's sound as well; recognisers mostly do better without."""
    auto_gain: bool = False
    """Even out how loud the microphone's sound is."""
    barge_in: Literal["auto", "on", "off"] = "auto"
    """Whether speech at the microphone interrupts an answer without the wake word; auto: where echo is cancelled."""
    end_silence_ms: int = Field(default=480, ge=100, le=5000)
    """Silence after which a question is over, as long as neither its words nor this speaker's pauses tell.

    Shorter answers sooner, longer lets people think."""
    pause_ms: int = Field(default=64, ge=32, le=5000)
    """Silence after which transcription starts, in case the question is over."""
    wake_timeout_s: float = Field(default=6.0, ge=1, le=60)
    """Silence after the wake word until Solo stops listening."""
    follow_up_s: float = Field(default=5.0, ge=1, le=60)
    """Silence after an answer that asked something back until the wake word is needed again."""
    look_ahead_s: float = Field(default=0.5, ge=0, le=10)
    """Speech between two looks at what was said so far, while somebody is still speaking; 0: none."""

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
        wait=WaitBounds(settings.end_silence_ms, settings.end_silence_ms * 2 / 3, settings.end_silence_ms * 2.5),
        question_within_s=settings.wake_timeout_s,
        follow_up_s=settings.follow_up_s,
        look_ahead_s=settings.look_ahead_s,
    )
    ears = ServiceSpec(
        name="audio",
        make=lambda: AudioService(policy),
        essential=True,
        answers=ANSWERS,
    )
    kind, _, path = settings.input.partition(":")
    if kind == "none":
        return [ears]
    ends = {"microphone": settings.microphone, "loudspeaker": settings.loudspeaker}
    options: dict[str, Any] = dict(ends)
    if kind == "device":
        options |= {"echo": settings.echo, "noise_suppression": settings.noise_suppression}
        options |= {"auto_gain": settings.auto_gain}
    elif kind == "wav":
        options = {"path": path.removesuffix(":loop"), "loop": path.endswith(":loop")}
    elif path:
        ends["script"] = options["script"] = path
    engine = EngineSpec(adapter=_ADAPTERS[kind], options=options, threads=1, memory_limit=1024**3)
    look = None if kind not in _LOOKS else EngineSpec(adapter=_LOOKS[kind], options=ends, threads=1)
    return [
        ears,
        ServiceSpec(
            name="device",
            make=lambda: DeviceService(engine, look, settings.barge_in),
            holds=("audio",),
            drain_within=machine.drain_s,
            answers=(DescribeDevice,),
        ),
    ]


PART = Part(name="audio", settings=AudioSettings, specs=specs)
