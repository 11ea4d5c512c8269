"""Writes `docs/errors.md`: every error code, what it means and what to do; `--check` only compares."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import services
import solo
from solo.errors import SoloError, known_errors

FILE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
HEAD = """\
# Errors

Every failure that Solo has a name for, by its code: the word in square brackets at the end of the line, `error.code` in
every answer of the API, in `solo ask --json`, in the log and in `/status`. Codes are stable; messages and hints are for
people and may change. *Asked again*: an idempotent question that fails so is asked once more by itself.

Made by `scripts/errors_page.py` (`make docs`); do not edit.
"""


def page() -> str:
    lines = [HEAD]
    area = ""
    for code, kind in sorted(errors().items()):
        if (now := code.partition(".")[0]) != area:
            area = now
            lines += ["", f"## {area}", "", "| code | meaning | asked again | named in |", "|---|---|---|---|"]
        again = "yes" if kind.retryable else ""
        lines.append(f"| `{code}` | {meaning(kind)} | {again} | `{kind.__module__}` |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


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


def main() -> int:
    if "--check" in sys.argv:
        if not FILE.is_file() or FILE.read_text(encoding="utf-8") != page():
            print(f"{FILE.name} is out of date: run `make docs`", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
