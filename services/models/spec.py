"""The catalogue of model files: settings, tables, and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.models.fetch import Fetcher
from services.models.intake import Intake
from services.models.judging import Judge, Trials
from services.models.keeper import Keeper
from services.models.scan import Folders, Looker
from services.models.service import ANSWERS, ModelsService
from services.models.store import ModelStore
from solo.isolation.process import EngineSpec
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

MODELS = Schema("models", Path(__file__).parent / "migrations" / "models")
CHECKS = "1"
"""Changes when the checks do: files are tried afresh then, and when llama.cpp is another one."""
_TRIALS = {
    "llama-cpp": "services.models.adapters.trial:ModelTrial",
    "fake": "services.models.adapters.fake:FakeTrial",
}
_TEMPLATE = "services.models.adapters.template:TemplateTrial"
_TEMPLATE_MEMORY = 256 * 1024**2


class ModelsSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
    """Where models are kept; unset: `models` in the working directory, or else in the state directory."""
    extra: tuple[Path, ...] = ()
    """More folders to look through, which are never written to."""
    poll_s: float = Field(default=10.0, ge=0.1, le=3600)
    """Seconds between two looks at the folders."""
    trial: Literal["llama-cpp", "fake"] = "llama-cpp"
    """What a model is tried with before its first use; `fake` trusts its header."""
    trial_memory_mb: int = Field(default=2048, ge=128)
    """Private memory after which a trial fails (mapped model files do not count)."""
    trial_s: float = Field(default=120.0, ge=1, le=3600)
    """Seconds after which a trial is given up."""
    endpoint: str = Field(default="https://huggingface.co", pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$")
    """The hub that hf:owner/repository/file means."""
    token: SecretStr | None = None
    """Told to that hub, and to nobody else, for models that have to be asked for."""
    private_addresses: bool = False
    """Models may also be fetched from this machine and from its network."""
    largest_gb: float = Field(default=100.0, gt=0)
    """Largest file that is fetched, in GB."""


def tables(_: ModelsSettings) -> Sequence[Schema]:
    return (MODELS,)


def folders(settings: ModelsSettings, state_dir: Path) -> Folders:
    here = Path("models").absolute()
    chosen = settings.folder or (here if here.is_dir() else state_dir / "models")
    return Folders(
        models=chosen.expanduser().absolute(),
        extra=tuple(folder.expanduser().absolute() for folder in settings.extra),
        joined=(state_dir / "joined-models").absolute(),
    )


def trials(settings: ModelsSettings) -> Trials:
    def model(path: Path, thorough: bool) -> EngineSpec:
        return EngineSpec(
            adapter=_TRIALS[settings.trial],
            options={"model": str(path), "thorough": thorough},
            memory_limit=settings.trial_memory_mb * 1024**2,
            load_within=settings.trial_s,
        )

    return Trials(EngineSpec(adapter=_TEMPLATE, memory_limit=_TEMPLATE_MEMORY, load_within=20), model)


def checks(settings: ModelsSettings) -> str:
    """Names what a model is tried with."""
    try:
        engine = version("llama-cpp-python")
    except PackageNotFoundError:
        engine = "none"
    return f"{CHECKS} {settings.trial} {engine}"


def specs(settings: ModelsSettings, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    where = folders(settings, machine.state_dir)
    # Made once: what is known of the files outlives a crash of the service.
    keeper = Keeper(Looker(where), ModelStore(database, checks(settings)), Judge(trials(settings)))
    token = settings.token.get_secret_value() if settings.token else ""
    intake = Intake(
        where.models,
        Fetcher(settings.endpoint, token, settings.private_addresses),
        int(settings.largest_gb * 1e9),
    )
    return [
        ServiceSpec(name="models", make=lambda: ModelsService(keeper, intake, settings.poll_s), answers=ANSWERS),
    ]


PART = Part(name="models", settings=ModelsSettings, specs=specs, tables=tables)
