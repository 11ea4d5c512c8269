"""The settings in effect, and changing those that can be changed without a restart."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from solo.bus import Request


class Setting(BaseModel):
    """One setting as it is now."""

    model_config = ConfigDict(frozen=True)

    path: str
    """Dotted, such as `conversation.temperature`."""
    variable: str
    """The environment variable that sets it, such as `SOLO_CONVERSATION__TEMPERATURE`."""
    value: Any
    """As JSON; secrets are masked."""
    is_default: bool
    """Nobody has set it to anything else."""
    live: bool
    """It can be changed without a restart."""
    changed: bool = False
    """It was changed since the start; a restart forgets that."""


class DescribeConfig(Request[tuple[Setting, ...]]):
    """All settings in effect, by path."""

    idempotent = True


class ChangeConfig(Request[tuple[Setting, ...]]):
    """Change settings at once, until the next start: all of them or none. The answer is those that were named.

    Raises `config.unknown`, `config.needs_restart`, `config.bad_value`."""

    settings: dict[str, Any]
    """New values by dotted path."""
    by: str = "owner"
    """Name of who does it, for the log."""
