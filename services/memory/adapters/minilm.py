"""Texts to vectors by a sentence-transformers model on ONNX Runtime, the packaged all-MiniLM-L6-v2 by default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.memory.adapters import packaged
from services.memory.adapters.onnx_model import OnnxModel, batches, feeds, first_line
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Rows = NDArray[float32]

MAX_TOKENS = 256
"""What all-MiniLM-L6-v2 was made for, with the two marks around the text."""
_SMALLEST = 1e-12
_REPLACE = "Put a sentence-transformers model as ONNX there, or leave the model unset for the packaged one."


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
        self._path = model
        self._tokenizer_path = tokenizer
        self._threads = max(1, threads)
        self._max_tokens = max(3, max_tokens)
        self._model: OnnxModel
        self._tokenizer: Any = None

    def load(self) -> dict[str, Any]:
        path = packaged.model() if self._path is None else Path(self._path)
        self._model = OnnxModel(path, what="embedding model", hint=_REPLACE, threads=self._threads)
        self._tokenizer = packaged.load_tokenizer(self._tokenizer_file(path))
        self._tokenizer.enable_truncation(self._max_tokens)
        dimensions = self._warm_up(path)
        return {
            "engine": "onnxruntime",
            "model": f"{packaged.NAME} int8" if self._path is None else self._model.name,
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

        inputs = feeds(tokens)
        hidden = self._model.run(inputs)
        # The mean as one product of matrices: (1, tokens) x (tokens, dimensions) a text.
        weights = inputs["attention_mask"][:, None, :].astype(np.float32)
        sums = np.matmul(weights, hidden)[:, 0, :]
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        rows: Rows = (sums / np.maximum(lengths, _SMALLEST)).astype(np.float32)
        return rows

    def _tokenizer_file(self, model: Path) -> Path:
        if self._tokenizer_path is not None:
            return Path(self._tokenizer_path)
        return packaged.tokenizer() if self._path is None else model.with_name("tokenizer.json")

    def _warm_up(self, path: Path) -> int:
        """The dimensions of a vector. Tries the longest text, since a model may have fewer positions than asked for."""
        import numpy as np

        try:
            rows = self._run([self._tokenizer.encode("a " * self._max_tokens).ids])
            self._run([self._tokenizer.encode("What is the weather like?").ids])
        except MemoryError:
            raise
        except Exception as error:
            reason = f"cannot embed {self._max_tokens} tokens: {first_line(error)}"
            raise ModelCorrupt(f"The embedding model {path} {reason}", hint=_REPLACE) from error
        if rows.ndim != 2 or not np.isfinite(rows).all() or rows.shape[1] < 2:
            raise ModelCorrupt(f"The model {path} does not answer with a vector a token.", hint=_REPLACE)
        return int(rows.shape[1])
