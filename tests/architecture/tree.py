"""The source tree: where it is, which files are ours, and copies of it to sin in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("solo", "services", "dashboard")


def modules(*packages: str) -> Iterator[Path]:
    """Every Python file of these packages (all of ours when none is named)."""
    for package in packages or PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def copy_to(folder: Path) -> Path:
    """The packages and pyproject.toml, without what was compiled."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder
