"""Texts to vectors by a sentence-transformers model on ONNX Runtime, the packaged all-MiniLM-L6-v2 by default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.memory.adapters import packaged
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Rows = NDArray[float32]

MAX_TOKENS = 256
"""What all-MiniLM-L6-v2 was made for, with the two marks around the text."""
MOST_AT_ONCE = 8
"""Texts of one batch. Measured with 96 passages of 180 tokens on two shared cores, one pass:
1 text 14, 8 texts 22, 32 texts 12 a second."""
_SMALLEST = 1e-12
_REPLACE = "Put a sentence-transformers model as ONNX there, or leave the model unset for the packaged one."
_QUIET = 3
"""ONNX Runtime's level for errors only."""


class MiniLM:
    """Mean over the tokens, then length 1 (L2).

    `model`: an ONNX file that answers (batch, tokens, dimensions); None = the packaged all-MiniLM-L6-v2, int8.
    `tokenizer`: its tokenizer.json; None = the one beside the model, or the packaged one.
    `threads`: of ONNX Runtime. `max_tokens`: longer texts are cut.
    """

    def __init__(
        self,
        model: str | None = None,
        tokenizer: str | None = None,
        threads: int = 2,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self._model = model
        self._tokenizer_path = tokenizer
        self._threads = max(1, threads)
        self._max_tokens = max(3, max_tokens)
        self._session: Any = None
        self._tokenizer: Any = None
        self._inputs: frozenset[str] = frozenset()

    def load(self) -> dict[str, Any]:
        path = packaged.model() if self._model is None else Path(self._model)
        if not path.is_file():
            raise ModelMissing(f"There is no embedding model {path}.", hint=_REPLACE)
        self._tokenizer = packaged.load_tokenizer(self._tokenizer_file(path))
        self._tokenizer.enable_truncation(self._max_tokens)
        self._session = self._open(path)
        self._inputs = frozenset(each.name for each in self._session.get_inputs())
        dimensions = self._warm_up(path)
        return {
            "engine": "onnxruntime",
            "model": f"{packaged.NAME} int8" if self._model is None else _name(path),
            "dimensions": dimensions,
            "max_tokens": self._max_tokens,
            "threads": self._threads,
        }

    def embed(self, call: Call, texts: list[str]) -> bytes:
        """As the port says; no bytes at all for an asker who has left."""
        import numpy as np

        # One by one (1 ms a text, of which the model takes many times that): its batches bring threads of their own.
        tokens = [self._tokenizer.encode(text).ids for text in texts]
        rows: Rows | None = None
        for batch in batches([len(each) for each in tokens]):
            if call.cancelled:
                return b""
            vectors = self._run([tokens[at] for at in batch])
            if rows is None:
                rows = np.empty((len(texts), vectors.shape[1]), dtype="<f4")
            rows[batch] = vectors
        return b"" if rows is None else rows.tobytes()

    def _run(self, tokens: list[list[int]]) -> Rows:
        """One row of length 1 a text."""
        import numpy as np

        longest = max(map(len, tokens))
        ids = np.zeros((len(tokens), longest), dtype=np.int64)
        mask = np.zeros((len(tokens), longest), dtype=np.int64)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
            mask[row, : len(each)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {name: feeds[name] for name in self._inputs})[0]
        # The mean as one product of matrices: (1, tokens) x (tokens, dimensions) a text.
        sums = np.matmul(mask[:, None, :].astype(np.float32), hidden)[:, 0, :]
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        rows: Rows = (sums / np.maximum(lengths, _SMALLEST)).astype(np.float32)
        return rows

    def _tokenizer_file(self, model: Path) -> Path:
        if self._tokenizer_path is not None:
            return Path(self._tokenizer_path)
        return packaged.tokenizer() if self._model is None else model.with_name("tokenizer.json")

    def _open(self, path: Path) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        # Waiting busily for the next piece of work takes the cores from the other engines.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime raises a dozen kinds without a common one
            raise ModelCorrupt(
                f"The embedding model {path} cannot be loaded: {_first_line(error)}", hint=_REPLACE
            ) from error

    def _warm_up(self, path: Path) -> int:
        """The dimensions of a vector. Tries the longest text, since a model may have fewer positions than asked for."""
        import numpy as np

        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or "input_ids" not in self._inputs:
            asked = ", ".join(sorted(self._inputs))
            raise ModelCorrupt(f"The model {path} is no embedder of texts: it asks for {asked}.", hint=_REPLACE)
        try:
            rows = self._run([self._tokenizer.encode("a " * self._max_tokens).ids])
            self._run([self._tokenizer.encode("What is the weather like?").ids])
        except MemoryError:
            raise
        except Exception as error:
            reason = f"cannot embed {self._max_tokens} tokens: {_first_line(error)}"
            raise ModelCorrupt(f"The embedding model {path} {reason}", hint=_REPLACE) from error
        if rows.ndim != 2 or not np.isfinite(rows).all() or rows.shape[1] < 2:
            raise ModelCorrupt(f"The model {path} does not answer with a vector a token.", hint=_REPLACE)
        return int(rows.shape[1])


def batches(lengths: list[int], most: int = MOST_AT_ONCE) -> Iterator[list[int]]:
    """Which texts to take together, by their places in `lengths`: those of like length, so that little is padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), most):
        yield order[start : start + most]


def _name(path: Path) -> str:
    return path.parent.name if path.stem == "model" else path.stem


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
