"""The sound device of this machine: which one it is, and whether it hears and is heard."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from solo.bus import Event, Request


class DeviceState(BaseModel):
    """The local microphone and loudspeaker at a glance."""

    model_config = ConfigDict(frozen=True)

    source: str
    """Name of the sound source that they are."""
    input: str
    """Name of the microphone that is used; empty: none."""
    input_state: Literal["starting", "healthy", "stalled", "silent", "missing"]
    """`stalled`: no sound arrives; `silent`: every sample is the same, as of a microphone that is switched off."""
    input_fallback: bool
    """It is another than the wanted one, which is taken back when it returns."""
    output: str
    """Name of the loudspeaker; empty: none."""
    output_state: Literal["ready", "missing"]
    """Whether answers can be heard."""
    output_fallback: bool
    """As of the microphone."""
    echo: str
    """`webrtc`: the loudspeaker's sound is taken out of the microphone's; `off`: it is not; `none`: it cannot occur."""
    frame_age_ms: float
    """Since the last sound arrived."""
    drift_ppm: float | None
    """How much faster the microphone's clock runs than this machine's, in millionths; None: not known yet."""
    lost: int
    """Pieces of sound that nobody took in time, since the start."""
    xruns: int
    """Times the system lost sound, on its way in or out, since the start."""
    bad: int
    """Things from the device's process that were not sound, and were dropped."""
    reopened: int
    """Times the device was opened again, since the start."""
    note: str
    """What is wrong, and what is done about it; empty: nothing."""


class DescribeDevice(Request[DeviceState]):
    """How is the sound device of this machine?"""

    idempotent = True


class DeviceChanged(Event):
    """The microphone or the loudspeaker of this machine was lost, found, or replaced by another."""

    device: DeviceState
    """How it is now."""
    recovered_s: float | None = None
    """When it hears again: seconds since it did not; None: it is not that."""
