"""The wake word: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from services.wake.service import WakeService
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec

_ADAPTERS = {
    "microwakeword": "services.wake.adapters.microwakeword:MicroWakeWord",
    "openwakeword": "services.wake.adapters.openwakeword:OpenWakeWord",
    "porcupine": "services.wake.adapters.porcupine:Porcupine",
    "wyoming": "services.wake.adapters.wyoming:WyomingWake",
    "fake": "services.wake.adapters.fake:FakeWake",
}


class WakeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["microwakeword", "openwakeword", "porcupine", "wyoming", "fake"] = "microwakeword"
    """Which engine listens for the wake word."""
    server: str | None = None
    """For the engine wyoming: where its server is, as tcp://host:port."""
    words: tuple[str, ...] = ()
    """Wake words by id, such as `["hey_jarvis"]`; empty: all that come with the engine."""
    sensitivity: float = Field(default=0.5, ge=0, le=1)
    """Higher wakes more easily, also by mistake."""
    sensitivities: dict[str, float] = {}
    """Of single words where they differ, such as `{"alexa": 0.3}`."""
    cooldown_s: float = Field(default=1.0, ge=0, le=60)
    """Seconds after a wake word in which another one of the same source is ignored."""
    verify: bool = True
    """Look again, by speech recognition, whether the wake word was said; the question is heard meanwhile."""
    access_key: SecretStr | None = None
    """Picovoice's key, for porcupine only."""

    @field_validator("sensitivities")
    @classmethod
    def _within(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not 0 <= each <= 1 for each in value.values()):
            raise ValueError("sensitivities are from 0 to 1")
        return value


def specs(settings: WakeSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    options: dict[str, object] = {}
    if settings.engine != "fake":
        options = {"words": list(settings.words) or None, "sensitivity": settings.sensitivity}
        if settings.engine != "wyoming":
            options["sensitivities"] = dict(settings.sensitivities)
    if settings.engine == "porcupine":
        options["access_key"] = settings.access_key.get_secret_value() if settings.access_key else None
    if settings.engine == "wyoming":
        options["server"] = settings.server or ""
    engine = EngineSpec(
        adapter=_ADAPTERS[settings.engine],
        options=options,
        threads=1,
        memory_limit=512 * 1024**2,
        # Porcupine 4 checks its key with its maker; Wyoming's own guard lets it reach its server alone.
        no_network=settings.engine not in {"porcupine", "wyoming"},
    )
    return [ServiceSpec(name="wake", make=lambda: WakeService(engine, settings.cooldown_s, settings.verify))]


PART = Part(name="wake", settings=WakeSettings, specs=specs)
