"""What is known of a model before it is loaded, and what it is named by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from services.llm.ledger import Need
from services.llm.runner import RunnerMaker


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is brought up."""

    maker: RunnerMaker
    need: Need = field(default_factory=Need)
    """Estimated; corrected by what the engine tells when it has loaded."""
    within_s: float = 300.0
    """Seconds that loading may take."""
    content: str = ""
    """Names the model's content, for the cache of answers; empty: unknown, so its answers are not kept."""
    context: int | None = None
    """Tokens of prompt and answer together."""
    progress: Callable[[], float | None] = lambda: None
    """Of loading, 0 to 1."""


Planner = Callable[[], Awaitable[Plan]]
"""Makes a plan afresh for every load, since files change; may raise why there is none."""

Kind = Literal["packaged", "file", "catalogue", "remote"]


@dataclass(frozen=True, slots=True)
class Reference:
    """What settings and commands call a model by."""

    kind: Kind
    text: str
    """A path, a name of the catalogue, or a URL; empty for the packaged one."""

    @staticmethod
    def of(text: str) -> Reference:
        if not text:
            return Reference("packaged", "")
        if text.startswith(("http://", "https://")):
            return Reference("remote", text)
        if "/" in text or "\\" in text or text.startswith("~") or (text.endswith(".gguf") and Path(text).is_file()):
            return Reference("file", str(Path(text).expanduser().absolute()))
        return Reference("catalogue", plain(text))

    @property
    def name(self) -> str:
        """What the model is called where nothing else is known of it."""
        return plain(Path(self.text).name) if self.kind == "file" else self.text


def plain(name: str) -> str:
    """A model's name as the catalogue has it: lower case, without the file's ending."""
    return name.lower().removesuffix(".gguf")
