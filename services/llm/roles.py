"""Which role answers a question, by which model, and which others take its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from services.messages.language import Complete, Role, Task
from solo.logs import get_logger
from solo.state_dir import StateDirUnusable, replace_file

ROLES: Final[tuple[Role, ...]] = get_args(Role)
BY_TASK: Final[dict[Task, Role]] = {"draft": "logic", "polish": "dialog", "caption": "vision", "summary": "fast"}
FILE = "llm_roles.json"
_MOST_BYTES = 64 * 1024


def role_of(question: Complete) -> Role:
    """The one that `task` names, else the one that is asked for; a question with pictures is one of vision."""
    if any(message.images for message in question.messages):
        return "vision"
    return question.role if question.task is None else BY_TASK[question.task]


class Roles:
    """Bindings of the settings, and over them those that somebody chose, which are kept in a file."""

    def __init__(
        self,
        settings: Mapping[Role, str | None],
        default: str,
        fallbacks: Mapping[Role, tuple[Role, ...]],
        state_dir: Path,
    ) -> None:
        """`settings`: a model for each role; None: the default one, or for vision none."""
        self._settings = settings
        self._default = default
        self._fallbacks = fallbacks
        self._file = state_dir / FILE
        self._chosen: dict[Role, str] = {}

    def bound(self, role: Role) -> str | None:
        """What the model is called by; None: none is bound (only vision may have none)."""
        if role in self._chosen:
            return self._chosen[role]
        model = self._settings.get(role)
        return self._default if model is None and role != "vision" else model

    def chain(self, role: Role) -> tuple[Role, ...]:
        """The role itself and those that take its place, in order."""
        return (role, *(other for other in self._fallbacks.get(role, ()) if other != role))

    async def choose(self, role: Role, model: str) -> None:
        """Bind it; empty: as the settings say. It holds from now on and over a restart. Raises `StateDirUnusable`."""
        chosen = {other: name for other, name in self._chosen.items() if other != role}
        if model:
            chosen[role] = model
        try:
            await asyncio.to_thread(replace_file, self._file, json.dumps(chosen, indent=1) + "\n")
        except OSError as error:
            raise StateDirUnusable(
                f"cannot write {self._file}: {error.strerror or error}", hint="Make room, or make it writable."
            ) from error
        self._chosen = chosen

    def read(self) -> None:
        """What was chosen before; a file that cannot be read is left alone, and the settings hold."""
        try:
            with self._file.open(encoding="utf-8") as opened:
                found = json.loads(opened.read(_MOST_BYTES))
            self._chosen = {role: name for role in ROLES if isinstance(name := found.get(role), str) and name}
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError) as error:
            get_logger(service="llm").warning("the chosen roles cannot be read", file=str(self._file), why=str(error))
