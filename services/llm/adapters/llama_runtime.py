"""One GGUF model and its KV cache, over llama.cpp's C interface.

The binding's high-level `Llama` class samples and copies logits in Python, which halves the speed; here every step is
two native calls, and llama.cpp samples by itself.
"""

from __future__ import annotations

import functools
import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.llm.adapters.vocabulary import Vocabulary
from solo.isolation.call import Call
from solo.isolation.engine import EngineError, ModelCorrupt

GREEDY_BELOW = 1e-3
"""Temperatures under this choose the likeliest token anyway, and dividing by them overflows 32-bit floats."""
CANDIDATES = 1000
"""Tokens that a draw chooses among. With all 49 152 of SmolLM2 it takes 0.59 ms a token, with these 0.18 ms, and at
temperature 0.8 they leave out 0.07 % of the probability."""
WARM_TOKENS = 32
LOG_WARNING, LOG_ERROR = 3, 4
"""`enum ggml_log_level` of ggml.h; the binding's own table is out of date."""
MOST_TROUBLES = 4
ABORTED = 2
"""What `llama_decode` returns when the abort callback said so."""


@functools.cache
def _hear_troubles(lib: Any) -> tuple[deque[str], Any]:
    """Silence llama.cpp's log but for warnings and errors, which are kept: the last few, oldest first.

    Set once for the process and kept by the cache: llama.cpp may log at any time and holds only the raw pointer.
    """
    troubles: deque[str] = deque(maxlen=MOST_TROUBLES)

    def hear(level: int, text: bytes, _: Any) -> None:
        if level in (LOG_WARNING, LOG_ERROR):
            troubles.append(" ".join(text.decode(errors="replace").split()))

    callback = lib.llama_log_callback(hear)
    lib.llama_log_set(callback, None)
    return troubles, callback


class LlamaRuntime:
    """Loads in the constructor. Not thread-safe: one call at a time."""

    def __init__(self, path: Path, context: int, threads: int, batch_threads: int, gpu_layers: int, batch: int) -> None:
        import llama_cpp as lib

        self._lib: Any = lib
        self._troubles, _ = _hear_troubles(lib)
        self._troubles.clear()
        # Kept on the object: llama.cpp holds only the raw pointer.
        self._abort = lib.ggml_abort_callback(lambda _: self._call is not None and self._call.cancelled)
        self._call: Call | None = None
        lib.llama_backend_init()
        self._model = self._load_model(path, gpu_layers)
        trained: int = lib.llama_model_n_ctx_train(self._model)
        self.context = min(context, trained) if trained > 0 else context
        """Tokens the model can see; never more than it was trained on."""
        self._batch = max(1, min(batch, self.context))
        self._context = self._new_context(path, threads, batch_threads, gpu_layers)
        self._memory = lib.llama_get_memory(self._context)
        if not self._memory or not lib.llama_model_has_decoder(self._model) or lib.llama_model_has_encoder(self._model):
            self.close()
            raise ModelCorrupt(f"The model {path.name} does not generate text", hint="Choose a chat model.")
        self._tokens = (lib.llama_token * self._batch)()
        self._kept: list[int] = []
        self.vocabulary = Vocabulary(lib, self._model)
        self._warm_up()

    def _load_model(self, path: Path, gpu_layers: int) -> Any:
        options = self._lib.llama_model_default_params()
        options.n_gpu_layers = gpu_layers
        model = self._lib.llama_model_load_from_file(str(path).encode(), options)
        if not model:
            raise self._not_loadable(path)
        return model

    def _new_context(self, path: Path, threads: int, batch_threads: int, gpu_layers: int) -> Any:
        options = self._lib.llama_context_default_params()
        options.n_ctx = self.context
        options.n_batch = options.n_ubatch = self._batch
        # Only the last token's logits are wanted: without this a buffer for those of a whole batch is reserved.
        options.n_outputs_max = 1
        options.n_threads = threads
        options.n_threads_batch = batch_threads
        options.offload_kqv = options.op_offload = gpu_layers != 0
        options.abort_callback = self._abort
        context = self._lib.llama_init_from_model(self._model, options)
        if not context:
            self._lib.llama_model_free(self._model)
            raise self._not_loadable(path)
        return context

    def close(self) -> None:
        """Free model and cache; nothing else may be called afterwards."""
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def _not_loadable(self, path: Path) -> ModelCorrupt:
        said = " / ".join(dict.fromkeys(self._troubles)) or "no reason given"
        return ModelCorrupt(
            f"llama.cpp cannot load {path.name}: {said}", hint="Fetch the file again, or choose another model."
        )

    def _warm_up(self) -> None:
        """One batch and one step, so that weights are in memory and threads awake before the first call."""
        lib = self._lib
        lib.llama_set_warmup(self._context, True)
        token = max(self.vocabulary.bos, 0)
        call = Call()
        for step in ([token] * min(WARM_TOKENS, self._batch, self.context - 1), [token]):
            self.decode(call, step)
        lib.llama_set_warmup(self._context, False)
        with self.sampler(0.0, 1.0, 0) as sampler:
            self.sample(sampler)
        self.forget(0)

    def metadata(self, key: str) -> str | None:
        """A metadata value of the file as text, None when it has none of that name."""
        import ctypes

        length = self._lib.llama_model_meta_val_str(self._model, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        self._lib.llama_model_meta_val_str(self._model, key.encode(), buffer, length + 1)
        return buffer.value.decode(errors="replace")

    def chat_template(self) -> str | None:
        source = self._lib.llama_model_chat_template(self._model, None)
        return source.decode(errors="replace") if source else None

    def reuse(self, tokens: Sequence[int]) -> int:
        """Keep of the KV cache what is the beginning of `tokens`; returns how many tokens that is.

        The last token is never kept: its logits are wanted, and only decoding gives them.
        """
        same = 0
        most = min(len(self._kept), len(tokens) - 1)
        while same < most and self._kept[same] == tokens[same]:
            same += 1
        self.forget(same)
        return len(self._kept)

    def holds(self, tokens: Sequence[int]) -> bool:
        return self._kept[: len(tokens)] == list(tokens)

    def forget(self, keep: int) -> None:
        """Remove all but the first `keep` tokens from the KV cache; recurrent models lose all of it."""
        if keep and self._lib.llama_memory_seq_rm(self._memory, 0, keep, -1):
            del self._kept[keep:]
            return
        self._lib.llama_memory_clear(self._memory, False)
        self._kept.clear()

    def evaluate(self, call: Call, tokens: Sequence[int]) -> bool:
        """Decode what `reuse` has not kept, in batches. False when the call was cancelled on the way."""
        while len(self._kept) < len(tokens):
            start = len(self._kept)
            if call.cancelled or not self.decode(call, tokens[start : start + self._batch]):
                return False
        return True

    def decode(self, call: Call, tokens: Sequence[int]) -> bool:
        """Append up to a batch of tokens to the KV cache. False when the call was cancelled meanwhile."""
        lib, count = self._lib, len(tokens)
        self._tokens[:count] = list(tokens)
        self._call = call
        try:
            code: int = lib.llama_decode(self._context, lib.llama_batch_get_one(self._tokens, count))
        finally:
            self._call = None
        if code == 0:
            self._kept.extend(tokens)
            return True
        self.forget(len(self._kept))  # an interrupted batch may have left some of its tokens behind
        if code == ABORTED:
            return False
        self.forget(0)
        raise EngineError(f"llama.cpp could not decode {count} tokens (code {code})", hint="Ask again.")

    @contextmanager
    def sampler(self, temperature: float, top_p: float, seed: int | None) -> Iterator[Any]:
        """llama.cpp's own chain: the likeliest token at temperature 0, else top-k, top-p, temperature, draw."""
        lib = self._lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        try:
            if temperature < GREEDY_BELOW:
                lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
            else:
                lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(CANDIDATES))
                if top_p < 1:
                    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(top_p, 1))
                lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(temperature))
                # The highest 32-bit number means "draw a seed" to llama.cpp: never pass it on.
                number = secrets.randbits(31) if seed is None else seed % lib.LLAMA_DEFAULT_SEED
                lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(number))
            yield chain
        finally:
            lib.llama_sampler_free(chain)

    def sample(self, sampler: Any) -> int:
        """The next token after the last one decoded."""
        token: int = self._lib.llama_sampler_sample(sampler, self._context, -1)
        return token
