"""How well passages answer a query, by a cross-encoder on ONNX Runtime that reads both together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from services.memory.adapters.onnx_model import OnnxModel, batches, feeds, first_line
from services.memory.adapters.packaged import load_tokenizer
from solo.isolation.call import Call
from solo.isolation.engine import ModelCorrupt

MAX_TOKENS = 512
"""Positions of BERT and of the rerankers made from it."""
_LEAST_TOKENS = 8
"""Three or four are marks."""
_REPLACE = "Put a cross-encoder as ONNX there, with one logit a pair, or leave the reranker's model unset."


class CrossEncoder:
    """The sigmoid of one logit a pair.

    `model`: an ONNX file that answers (batch, 1) or (batch). `tokenizer`: its tokenizer.json; None = the one beside it.
    `threads`: of ONNX Runtime. `max_tokens`: of query and text together; the longer of the two is cut.
    """

    def __init__(
        self, model: str, tokenizer: str | None = None, threads: int = 2, max_tokens: int = MAX_TOKENS
    ) -> None:
        self._path = Path(model)
        self._tokenizer_path = self._path.with_name("tokenizer.json") if tokenizer is None else Path(tokenizer)
        self._threads = max(1, threads)
        self._max_tokens = max(_LEAST_TOKENS, max_tokens)
        self._model: OnnxModel
        self._tokenizer: Any = None

    def load(self) -> dict[str, Any]:
        self._model = OnnxModel(self._path, what="reranking model", hint=_REPLACE, threads=self._threads)
        self._tokenizer = load_tokenizer(self._tokenizer_path)
        self._tokenizer.enable_truncation(self._max_tokens)
        self._warm_up()
        return {
            "engine": "onnxruntime",
            "model": self._model.name,
            "max_tokens": self._max_tokens,
            "threads": self._threads,
        }

    def rerank(self, call: Call, query: str, texts: list[str]) -> list[float]:
        """As the port says, each 0 to 1. A text that the model has no number for is the last."""
        pairs = [self._tokenizer.encode(query, text) for text in texts]
        scores = [0.0] * len(texts)
        for batch in batches([len(pair.ids) for pair in pairs]):
            if call.cancelled:
                return []
            for at, logit in zip(batch, self._logits([pairs[at] for at in batch]), strict=True):
                scores[at] = _sigmoid(logit)
        return scores

    def _logits(self, pairs: list[Any]) -> list[float]:
        """One a pair. Raises ValueError when the model has another number of them."""
        answer = self._model.run(feeds([pair.ids for pair in pairs], [pair.type_ids for pair in pairs]))
        if answer.shape not in {(len(pairs),), (len(pairs), 1)}:
            raise ValueError(f"{len(pairs)} pairs are answered with an array of {answer.shape}")
        logits: list[float] = answer.astype(float).ravel().tolist()
        return logits

    def _warm_up(self) -> None:
        """Tries the longest pair, since a model may have fewer positions than asked for."""
        long = "a " * self._max_tokens
        pairs = [self._tokenizer.encode(one, other) for one, other in (("What?", long), (long, ""), ("", ""))]
        try:
            logits = self._logits(pairs)
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime raises a dozen kinds without a common one
            reason = f"cannot score pairs of {self._max_tokens} tokens: {first_line(error)}"
            raise ModelCorrupt(f"The reranking model {self._path} {reason}", hint=_REPLACE) from error
        if not all(map(math.isfinite, logits)):
            raise ModelCorrupt(f"The model {self._path} does not answer with numbers.", hint=_REPLACE)


def _sigmoid(logit: float) -> float:
    if math.isnan(logit):
        return 0.0
    raised = math.exp(-abs(logit))
    return 1 / (1 + raised) if logit >= 0 else raised / (1 + raised)
