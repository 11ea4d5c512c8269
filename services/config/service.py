"""Answers what is set, and changes what can be changed without a restart."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from services.messages.config import ChangeConfig, DescribeConfig, Setting
from services.messages.conversation import TuneConversation
from solo import logs
from solo.errors import SoloError
from solo.settings import CONFIG_FILE, MachineSettings, variable
from solo.supervision import Context

LOG_LEVEL = "log_level"
CONVERSATION = "conversation."
LIVE = (
    LOG_LEVEL,
    "conversation.system_prompt",
    "conversation.max_tokens",
    "conversation.temperature",
    "conversation.top_p",
    "conversation.when_full",
    "conversation.forget_after_s",
)
"""Settings that really take effect at once; the others are read once, at the start."""
MOST_TEXT = 16_000
"""Characters of a text that is set live."""
_WITHIN_S = 5.0
_SECRET_NAME = re.compile(r"key|token|password|secret", re.IGNORECASE)
_COUNTS = re.compile(r"tokens|_token_s$|keys_")
_USER_INFO = re.compile(r"://[^/@\s]+@")
MASK = "***"


class SettingNotFound(SoloError):
    """There is no such setting."""

    code = "config.unknown"


class NeedsRestart(SoloError):
    """This setting is read at the start only."""

    code = "config.needs_restart"


class BadSetting(SoloError):
    """A setting cannot have this value."""

    code = "config.bad_value"


class ConfigService:
    name = "config"

    def __init__(self, settings: MachineSettings, changed: dict[str, Any]) -> None:
        """`changed`: what was changed since the start; outlives a crash of this service."""
        self._settings = settings
        self._changed = changed

    async def run(self, ctx: Context) -> None:
        async def describe(_: DescribeConfig) -> tuple[Setting, ...]:
            return tuple(self._all())

        async def change(asked: ChangeConfig) -> tuple[Setting, ...]:
            new = {path: self._checked(path, value) for path, value in asked.settings.items()}
            tuning = {path.removeprefix(CONVERSATION): value for path, value in new.items() if path != LOG_LEVEL}
            if tuning:
                await ctx.request(TuneConversation(**tuning), within=_WITHIN_S)
            if LOG_LEVEL in new:
                logs.configure(new[LOG_LEVEL], self._settings.log_format)
            self._changed |= new
            ctx.log.info("settings changed", settings=sorted(new), by=asked.by)
            return tuple(setting for setting in self._all() if setting.path in new)

        ctx.ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ctx.answer(DescribeConfig, describe))
            tasks.create_task(ctx.answer(ChangeConfig, change, limit=1))

    def _checked(self, path: str, value: Any) -> Any:
        """The value as the settings would have it. Raises what is wrong with it."""
        found = next((each for each in _fields(self._settings) if each[0] == path), None)
        if found is None:
            raise SettingNotFound(f"there is no setting {path!r}", hint="GET /api/config lists them.")
        if path not in LIVE:
            name = variable(path.split("."))
            raise NeedsRestart(
                f"{path} is read at the start only",
                hint=f"Set {name} in the environment, in .env or in {CONFIG_FILE}, and restart Solo.",
            )
        _, owner, name, _ = found
        field = type(owner).model_fields[name]
        try:
            limited: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            checked = TypeAdapter(limited).validate_python(value, strict=True)
        except ValidationError as error:
            raise BadSetting(f"{path}: {error.errors()[0]['msg']}", hint=".env.example says what it may be.") from None
        if isinstance(checked, float) and not math.isfinite(checked):
            raise BadSetting(f"{path}: it has to be a finite number")
        if isinstance(checked, str) and (len(checked) > MOST_TEXT or "\0" in checked):
            raise BadSetting(f"{path}: at most {MOST_TEXT} characters, none of them NUL")
        return checked

    def _all(self) -> Iterator[Setting]:
        for path, owner, name, value in _fields(self._settings):
            now = self._changed.get(path, value)
            yield Setting(
                path=path,
                variable=variable(path.split(".")),
                value=_plain(name, now),
                is_default=now == type(owner).model_fields[name].get_default(call_default_factory=True),
                live=path in LIVE,
                changed=path in self._changed,
            )


def _fields(model: BaseModel, above: str = "") -> Iterator[tuple[str, BaseModel, str, Any]]:
    """Dotted path, the model it is in, its name there, and its value."""
    for name in sorted(type(model).model_fields):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{above}{name}.")
        else:
            yield above + name, model, name, value


def _plain(name: str, value: Any) -> Any:
    """As JSON, without anything that is secret."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, SecretStr) or (_SECRET_NAME.search(name) and not _COUNTS.search(name)):
        return MASK if value else None
    if isinstance(value, BaseModel):
        return {inner: _plain(inner, getattr(value, inner)) for inner in type(value).model_fields}
    if isinstance(value, dict):
        return {str(inner): _plain(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain("", each) for each in value]
    return _USER_INFO.sub(f"://{MASK}@", str(value))
