"""The page `docs/errors.md`: every error code, what it means and what to do."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import services
import solo
from services.api.guards.refusals import STATUS as AT_THE_DOOR
from services.api.http import STATUS
from solo.errors import SoloError, known_errors

FILE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
HEAD = """\
# Errors

Every failure that Solo has a name for, by its code: the word in square brackets at the end of the line, `error.code` in
every answer of the API, in `solo ask --json`, in the log and in `/status`. Codes are stable; messages and hints are for
people and may change. *HTTP*: the status with which the door answers it, if it comes to that. *Asked again*: an
idempotent question that fails so is asked once more by itself.

Made by `scripts/reference.py` (`make docs`); do not edit.
"""


def page() -> str:
    lines = [HEAD]
    area = ""
    for code, kind in sorted(errors().items()):
        if (now := code.partition(".")[0]) != area:
            area = now
            lines += [
                "",
                f"## {area}",
                "",
                "| code | HTTP | meaning | asked again | named in |",
                "|---|---|---|---|---|",
            ]
        again = "yes" if kind.retryable else ""
        lines.append(f"| `{code}` | {status(code)} | {meaning(kind)} | {again} | `{kind.__module__}` |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def status(code: str) -> int:
    """What the door answers when it is raised behind it."""
    return STATUS.get(code) or int(AT_THE_DOOR.get(code, 500))


def errors() -> dict[str, type[SoloError]]:
    """All of `solo` and `services`; importing an adapter imports no vendor's library."""
    for package in (solo, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    ours = {"solo", "services"}
    return {code: kind for code, kind in known_errors().items() if kind.__module__.partition(".")[0] in ours}


def meaning(kind: type[SoloError]) -> str:
    """The docstring's first sentence, which is also the default message."""
    return inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
