"""The settings of the machine itself, and how every section is read: flags, environment, `.env`, file, defaults."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from solo.errors import SoloError

PREFIX = "SOLO_"
DELIMITER = "__"
CONFIG_FILE = "solo.toml"
DEFAULT_PORT = 8700

T = TypeVar("T", bound=BaseSettings)


class SettingsInvalid(SoloError):
    """A setting has a value that Solo cannot use."""

    code = "settings.invalid"


class SettingUnknown(SoloError):
    """There is no such setting."""

    code = "settings.unknown"


def default_state_dir() -> Path:
    return Path(platformdirs.user_state_dir("solo", appauthor=False))


class DatabaseSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = None
    """A PostgreSQL of your own, 15 or newer: postgresql://user:password@host:5432/name; unset: Solo runs one itself."""
    connections: int = Field(default=8, ge=2, le=100)
    """Most connections at a time."""
    memory_mb: int | None = Field(default=None, ge=16)
    """What Solo's own server keeps of its tables in memory; unset: 1/32 of the machine's, from 128 to 1024."""
    backup_every_h: float = Field(default=24.0, ge=0)
    """Hours between two backups by itself; 0: never."""
    backup_keep: int = Field(default=7, ge=1)
    """Backups made by itself that are kept; the oldest goes."""
    backup_dir: Path | None = None
    """Where backups go; unset: `backups` in the state directory."""
    maintain_every_s: float = Field(default=900.0, gt=0)
    """Seconds between two runs of the maintenance function, where no pg_cron runs it."""


class EgressSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] = ()
    """Other machines that the daemon may connect to, besides those that other settings name.

    Each as host, host:port, an address, or a network such as 10.0.0.0/8."""


class MachineSettings(BaseSettings):
    """Read by the daemon and by every command that talks to it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )
    toml: ClassVar[Path | None] = None
    """The configuration file; `load` finds it in the state directory."""

    state_dir: Path = Field(default_factory=default_state_dir)
    """Where Solo keeps its key, its lock and its data."""
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    """TCP port of the daemon on loopback; 0 takes a free one."""
    cores: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    """CPU cores that Solo's engines share; unset: all of the machine."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON into a pipe."""
    drain_s: float = Field(default=20.0, gt=0, le=600)
    """Seconds that work under way may take to finish when Solo is asked to stop."""
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    """Where Solo keeps what it must not forget."""
    egress: EgressSettings = Field(default_factory=EgressSettings)
    """Where the daemon may connect to."""
    loop_blocked_ms: float = Field(default=50.0, gt=0)
    """A loop held longer than this is counted and logged with its stack."""
    watchdog_s: float = Field(default=30.0, gt=0)
    """A loop held longer than this ends the daemon, for the operating system to start it afresh."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        # A .env file is shared with other programs: only our lines are looked at, and refused when unknown.
        dotenv_settings.env_vars = {
            name: value for name, value in dotenv_settings.env_vars.items() if name.upper().startswith(PREFIX)
        }
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings, dotenv_settings)
        if cls.toml is not None:
            sources = (*sources, TomlConfigSettingsSource(settings_cls, cls.toml))
        return sources


class _Where(BaseSettings):
    """Where the configuration file is has to be known before it is read."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8", extra="ignore")

    state_dir: Path = Field(default_factory=default_state_dir)


def settings_class(sections: Mapping[str, type[BaseModel]]) -> type[MachineSettings]:
    """One settings class: the machine's fields and a nested section for each part that has one."""
    fields: dict[str, Any] = {name: (section, Field(default_factory=section)) for name, section in sections.items()}
    return create_model("Settings", __base__=MachineSettings, **fields)


def load(kind: type[T], flags: Mapping[str, Any] | None = None, *, strict: bool = True) -> T:
    """Read every source, or raise one line that names the setting, what is wrong and where it may be fixed.

    `strict=False` ignores settings of sections that `kind` does not have (a command reads only the machine's).
    """
    if strict:
        _refuse_unknown(kind)
    elif kind.model_config.get("extra") != "ignore":
        kind = create_model(kind.__name__, __base__=kind, __cls_kwargs__={"extra": "ignore"})
    flags = dict(flags or {})
    try:
        where = _Where(**{name: value for name, value in flags.items() if name == "state_dir"})
        if (file := where.state_dir / CONFIG_FILE).is_file():
            kind = type(kind.__name__, (kind,), {"toml": file, "__module__": kind.__module__})
        return kind(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = variable([str(part) for part in first["loc"]])
        if name.startswith(PREFIX * 2):  # an unknown one of .env comes with its prefix
            name = name.removeprefix(PREFIX)
        if first["type"] == "extra_forbidden":
            raise _unknown(name, kind) from None
        raise SettingsInvalid(
            f"{name} cannot be {first.get('input')!r}: {first['msg']}",
            hint=f"Set it in the environment, in .env or in {CONFIG_FILE}; .env.example lists every setting.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{file} is not TOML: {error}", hint="Mend that line.") from None
    except (OSError, ValueError) as error:
        raise SettingsInvalid(
            f"the settings cannot be read: {error}", hint=f"Look at .env and {CONFIG_FILE}."
        ) from None


def variable(path: list[str]) -> str:
    """The environment variable of a setting: `["stt", "threads"]` -> `SOLO_STT__THREADS`."""
    return PREFIX + DELIMITER.join(path).upper()


def known_variables(kind: type[BaseModel]) -> dict[str, str]:
    """Every variable that `kind` reads, by its dotted path."""
    known: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for inner, path in known_variables(section).items():
                known[variable([name]) + DELIMITER + inner.removeprefix(PREFIX)] = f"{name}.{path}"
        else:
            known[variable([name])] = name
    return known


def _refuse_unknown(kind: type[BaseSettings]) -> None:
    known = known_variables(kind)
    sections = {variable([name]) for name in kind.model_fields}
    for name in os.environ:
        if name.upper().startswith(PREFIX) and name.upper() not in known and name.upper() not in sections:
            raise _unknown(name.upper(), kind)


def _unknown(name: str, kind: type[BaseModel]) -> SettingUnknown:
    close = difflib.get_close_matches(name, known_variables(kind), n=1)
    hint = f"Did you mean {close[0]}?" if close else ".env.example lists every setting."
    return SettingUnknown(f"there is no setting {name}", hint=hint)
