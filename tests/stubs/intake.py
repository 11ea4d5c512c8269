"""Fetching and copying models into a folder of a test's own, without a catalogue behind it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.messages.models import FileProgress, ModelFile, PullModel
from services.models.fetch import Fetcher
from services.models.intake import Intake
from tests.gguf_files import small_model

CONTENT = small_model() + bytes(400_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


def intake(
    folder: Path, *, private: bool = True, most: int = 10**9, endpoint: str = "https://hub", token: str = ""
) -> Intake:
    return Intake(folder / "models", Fetcher(endpoint, token, private), most)


async def checked(path: Path, sha256: str) -> ModelFile:
    return ModelFile(
        name=path.stem, path=str(path), origin="models", size_bytes=path.stat().st_size, modified=0, sha256=sha256
    )


async def pulled(where: Intake, url: str, sha256: str = "", name: str = "") -> list[FileProgress]:
    asked = PullModel(url=url, sha256=sha256, name=name)
    return [step async for step in where.pull(asked, checked)]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").iterdir())
