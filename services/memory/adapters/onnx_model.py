"""ONNX models that take texts as tokens: opened, fed in batches of like length, asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from solo.isolation.engine import ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    Feeds: TypeAlias = dict[str, NDArray[int64]]

MOST_AT_ONCE = 8
"""Texts of one batch. Measured with all-MiniLM-L6-v2 int8 and 96 passages of 180 tokens on two shared cores, one pass:
1 text 14, 8 texts 22, 32 texts 12 a second."""
_KNOWN = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_QUIET = 3
"""ONNX Runtime's level for errors only."""


class OnnxModel:
    """`what` it should be and `hint` go into the errors: ModelMissing, and ModelCorrupt also for a file that asks for
    anything but tokens."""

    def __init__(self, path: Path, *, what: str, hint: str, threads: int) -> None:
        if not path.is_file():
            raise ModelMissing(f"There is no {what} {path}.", hint=hint)
        self.name = path.parent.name if path.stem == "model" else path.stem
        self._session = _session(path, what=what, hint=hint, threads=threads)
        self._inputs = frozenset(each.name for each in self._session.get_inputs())
        if "input_ids" not in self._inputs or self._inputs - _KNOWN:
            asked = ", ".join(sorted(self._inputs))
            raise ModelCorrupt(f"The model {path} is no {what}: it asks for {asked}.", hint=hint)

    def run(self, feeds: Feeds) -> Any:
        """The first output."""
        return self._session.run(None, {name: feeds[name] for name in self._inputs})[0]


def feeds(tokens: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None) -> Feeds:
    """Each input as (texts, longest). `types`: which part of a pair a token is of; None: there are no pairs."""
    import numpy as np

    longest = max(map(len, tokens))
    ids = np.zeros((len(tokens), longest), dtype=np.int64)  # which token fills up does not matter behind the mask
    mask, parts = np.zeros_like(ids), np.zeros_like(ids)
    for row, each in enumerate(tokens):
        ids[row, : len(each)] = each
        mask[row, : len(each)] = 1
        if types is not None:
            parts[row, : len(each)] = types[row]
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": parts}


def batches(lengths: Sequence[int], most: int = MOST_AT_ONCE) -> Iterator[list[int]]:
    """Which texts to take together, by their places in `lengths`: those of like length, so that little is padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), most):
        yield order[start : start + most]


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _session(path: Path, *, what: str, hint: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    # Waiting busily for the next piece of work takes the cores from the other engines.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # ONNX Runtime raises a dozen kinds without a common one
        raise ModelCorrupt(f"The {what} {path} cannot be loaded: {first_line(error)}", hint=hint) from error
