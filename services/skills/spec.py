"""Skills: settings, the table of timers, and how the service is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.messages.skills import MatchSkill, RunSkill
from services.messages.timers import CancelTimer, ListTimers
from services.skills.adapters.hassil_templates import HassilCompiler
from services.skills.doing.hands import WallTime
from services.skills.languages.en.english import English
from services.skills.service import Policy, SkillsService
from services.skills.timers.store import TimerStore
from services.skills.timers.timer import Clock
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

SCHEMA = Schema("skills", Path(__file__).with_name("migrations") / "skills")
_LANGUAGES = {"en": English}


class SkillsSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["en"] = "en"
    """Whose sentences are understood."""
    folder: Path | None = None
    """Where your own skills are, as YAML files; unset: `skills` in the state directory."""
    zone: str | None = None
    """IANA time zone of alarms and of the time that is told, such as Europe/London; unset: the system's."""
    announce_times: int = Field(default=3, ge=1, le=100)
    """How often it is told that a timer has run out, unless somebody says stop."""
    announce_every_s: float = Field(default=4.0, ge=0, le=600)
    """Seconds between two of these."""
    look_every_s: float = Field(default=2.0, ge=0.1, le=3600)
    """Seconds between two looks at the folder for files that have changed."""

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (OSError, ValueError, KeyError) as error:
                raise ValueError(f"no IANA time zone: {zone}") from error
        return zone


def specs(settings: SkillsSettings, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    store = TimerStore(database)
    clock = Clock.of_this_machine()

    def make() -> SkillsService:
        policy = Policy(
            language=_LANGUAGES[settings.language](),
            compiler=HassilCompiler(),
            folder=settings.folder or machine.state_dir / "skills",
            look_every_s=settings.look_every_s,
            wall_time=WallTime(ZoneInfo(settings.zone) if settings.zone else None),
            times=settings.announce_times,
            every_s=settings.announce_every_s,
        )
        return SkillsService(policy, store, clock)

    return [ServiceSpec(name="skills", make=make, answers=(MatchSkill, RunSkill, ListTimers, CancelTimer))]


def tables(_: SkillsSettings) -> Sequence[Schema]:
    return (SCHEMA,)


PART = Part(name="skills", settings=SkillsSettings, specs=specs, tables=tables)
