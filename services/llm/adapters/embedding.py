"""Vectors of texts from a language model: the mean of its hidden states, of length 1."""

from __future__ import annotations

from typing import Any

from services.llm.adapters.llama_runtime import LlamaRuntime
from services.llm.engine import PromptTooLong
from solo.isolation.driving import Work
from solo.isolation.engine import EngineError

PIECE = 64
"""Tokens of a step."""
LONGEST = 2048
"""Tokens of one text at most."""


class Embedder:
    """A second context on the same weights, made when it is first asked; a piece of one text each step, so that
    streams go on between."""

    def __init__(self, runtime: LlamaRuntime, threads: int) -> None:
        import numpy

        self._np = numpy
        self._lib = lib = runtime.lib
        self._runtime = runtime
        self.longest = min(LONGEST, runtime.context)
        params = lib.llama_context_default_params()
        params.n_ctx = self.longest
        params.n_seq_max = 1
        params.n_batch = params.n_ubatch = PIECE
        params.n_threads = params.n_threads_batch = threads
        params.embeddings = True
        params.pooling_type = lib.LLAMA_POOLING_TYPE_NONE
        params.no_perf = True
        self._native = lib.llama_init_from_model(runtime.model, params)
        if not self._native:
            raise EngineError("llama.cpp cannot make embeddings with this model", hint="Choose another model.")
        self._rows = lib.llama_batch_init(PIECE, 0, 1)
        self._size = lib.llama_model_n_embd(runtime.model)
        self._asked: list[Asked] = []

    def add(self, work: Work, texts: list[str]) -> None:
        """Raises `PromptTooLong`."""
        tokens = [self._runtime.vocabulary.tokenise(text) or [max(self._runtime.vocabulary.bos, 0)] for text in texts]
        if (most := max(map(len, tokens))) > self.longest:
            raise PromptTooLong(
                f"A text to embed has {most} tokens, at most {self.longest} are taken", hint="Cut it into pieces."
            )
        self._asked.append(Asked(work, tokens))

    def step(self) -> bool:
        """The next piece of the text at the head of the queue; False when there is none."""
        self._asked = [asked for asked in self._asked if not asked.left()]
        if not self._asked:
            return False
        asked = self._asked[0]
        text = asked.texts[len(asked.vectors)]
        piece = text[asked.at : asked.at + PIECE]
        total = self._decode(piece, asked.at)
        asked.sum = total if asked.sum is None else asked.sum + total
        asked.at += len(piece)
        if asked.at == len(text):
            length = float(self._np.linalg.norm(asked.sum)) or 1.0
            asked.vectors.append((asked.sum / length).astype("<f4").tobytes())
            asked.at, asked.sum = 0, None
            self._lib.llama_memory_clear(self._lib.llama_get_memory(self._native), False)
            if len(asked.vectors) == len(asked.texts):
                asked.work.finish({"vectors": asked.vectors, "tokens": sum(map(len, asked.texts))})
                self._asked.pop(0)
        return True

    def _decode(self, tokens: list[int], begin: int) -> Any:
        """The sum of the pieces' hidden states, float64."""
        lib, batch = self._lib, self._rows
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = begin + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = True
        batch.n_tokens = len(tokens)
        code = lib.llama_decode(self._native, batch)
        if code != 0:
            raise EngineError(f"llama.cpp could not embed {len(tokens)} tokens (code {code})", hint="Ask again.")
        rows = [
            self._np.ctypeslib.as_array(lib.llama_get_embeddings_ith(self._native, index), (self._size,))
            for index in range(len(tokens))
        ]
        return self._np.sum(rows, axis=0, dtype="float64")


class Asked:
    """Texts of one call, and how far they are."""

    def __init__(self, work: Work, texts: list[list[int]]) -> None:
        self.work = work
        self.texts = texts
        self.vectors: list[bytes] = []
        self.at = 0
        self.sum: Any = None

    def left(self) -> bool:
        if self.work.cancelled and not self.work.ended:
            self.work.finish(None)
        return self.work.ended
