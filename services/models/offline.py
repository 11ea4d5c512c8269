"""The catalogue without a daemon: what the folders and the headers of the files say, for commands."""

from __future__ import annotations

from typing import Any

from services.models.describing import describe
from services.models.entries import Entries
from services.models.scan import Looker
from services.models.spec import ModelsSettings, folders
from solo.settings import load, settings_class


def listed() -> list[dict[str, Any]]:
    """Every model as the JSON of `ModelFile`, by name. Nothing is tried, and no verdict of a daemon is known."""
    settings = load(settings_class({"models": ModelsSettings}), strict=False)
    where = folders(settings.models, settings.state_dir)  # type: ignore[attr-defined]  # made at run time
    entries = Entries()
    entries.apply(Looker(where).look())
    return [describe(entry.found, entry.name).model.model_dump(mode="json") for entry in entries]
