"""One GGUF model, its KV cache and its steps, over llama.cpp's C interface.

The binding's high-level `Llama` class serves one caller at a time, and samples and copies logits in Python, which
halves the speed. Here a step for all streams together is one native call, and llama.cpp samples by itself.
"""

from __future__ import annotations

import ctypes
import functools
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from services.llm.adapters.vocabulary import Vocabulary
from solo.isolation.engine import EngineError, ModelCorrupt

WARM_TOKENS = 32
LOG_WARNING, LOG_ERROR = 3, 4
"""`enum ggml_log_level` of ggml.h; the binding's own table is out of date."""
MOST_TROUBLES = 4
ABORTED = 2
"""What `llama_decode` returns when the abort callback said so."""
CPU_BATCH = 128
"""Tokens that are computed at once; more are no quicker on a CPU, and want larger buffers."""
GPU_BATCH = 512
MOST_WANTED = 8
"""Rows of one sequence in a step whose next token is sampled: one, and those guessed ahead."""
SAME_KERNEL = 63
"""Below 64 tokens at once (`GGML_FA_TILE_Q`) flash attention takes the same kernel for many tokens as for one."""
FLASH_AUTO, FLASH_OFF, FLASH_ON = -1, 0, 1
"""`enum llama_flash_attn_type`. On a CPU it is slower for long prompts (20 s against 13 for 2 000 tokens in pieces of
less than 64) and behind them, but without it one token of an answer is rounded otherwise than several."""


class Row(NamedTuple):
    """One token of a step."""

    token: int
    position: int
    sequence: int
    wanted: bool
    """What comes after it will be sampled."""


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
    """Loads in the constructor. Not thread-safe. Each sequence has KV cells of its own: what one stream computes does
    not depend on what others do (a shared buffer would change the order of sums, and with it the last bits).
    """

    def __init__(
        self,
        path: Path,
        context: int,
        sequences: int,
        threads: int,
        batch_threads: int,
        gpu_layers: int,
        batch: int,
        guessing: bool = False,
    ) -> None:
        """`guessing`: several tokens of an answer may be decoded in one step, and must be rounded as one alone is."""
        import llama_cpp as lib

        self.lib: Any = lib
        self._troubles, _ = _hear_troubles(lib)
        self._troubles.clear()
        self._abandon: Callable[[], bool] | None = None
        # Kept on the object: llama.cpp holds only the raw pointer.
        self._abort = lib.ggml_abort_callback(lambda _: self._abandon is not None and self._abandon())
        self._never = lib.ggml_abort_callback()  # a null pointer
        lib.llama_backend_init()
        self._on_gpu = gpu_layers != 0
        self._guessing = guessing and not self._on_gpu
        self._batch_threads = batch_threads
        self._threads = threads
        self.model = self._load_model(path, gpu_layers)
        trained: int = lib.llama_model_n_ctx_train(self.model)
        self.context = min(context, trained) if trained > 0 else context
        """Tokens that a sequence can hold; never more than the model was trained on."""
        self.batch = max(sequences * MOST_WANTED, min(batch, self.context))
        """Rows that a step can have."""
        most = GPU_BATCH if self._on_gpu else SAME_KERNEL if self._guessing else CPU_BATCH
        self.piece = min(self.batch, most)
        """Rows that are computed at once; llama.cpp cuts a longer step, and then some may come to stand alone."""
        self.native = self._new_context(path, sequences)
        self._memory = lib.llama_get_memory(self.native)
        if not self._memory or not lib.llama_model_has_decoder(self.model) or lib.llama_model_has_encoder(self.model):
            self.close()
            raise ModelCorrupt(f"The model {path.name} does not generate text", hint="Choose a chat model.")
        self._rows = lib.llama_batch_init(self.batch, 0, 1)
        self.vocabulary = Vocabulary(lib, self.model)
        self._warm_up(sequences)

    def close(self) -> None:
        for free, name in ((self.lib.llama_free, "native"), (self.lib.llama_model_free, "model")):
            if getattr(self, name, None):
                free(getattr(self, name))
                setattr(self, name, None)

    def _load_model(self, path: Path, gpu_layers: int) -> Any:
        lib = self.lib
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        model = lib.llama_model_load_from_file(str(path).encode(), params)
        if not model:
            raise self._unusable(path)
        return model

    def _new_context(self, path: Path, sequences: int) -> Any:
        lib = self.lib
        params = lib.llama_context_default_params()
        params.n_ctx = self.context * sequences
        params.n_seq_max = sequences
        params.kv_unified = False
        params.n_batch = self.batch
        params.n_ubatch = self.piece
        # Only of some tokens the logits are wanted: without this a buffer for those of a whole batch is reserved.
        params.n_outputs_max = sequences * MOST_WANTED
        params.n_threads = self._threads
        params.n_threads_batch = self._batch_threads
        params.flash_attn_type = FLASH_AUTO if self._on_gpu else FLASH_ON if self._guessing else FLASH_OFF
        params.offload_kqv = self._on_gpu
        params.op_offload = self._on_gpu
        params.swa_full = True  # a beginning can only be kept where all of it is there
        params.no_perf = True
        context = lib.llama_init_from_model(self.model, params)
        if not context:
            error = self._unusable(path)
            self.close()
            raise error
        return context

    def _unusable(self, path: Path) -> ModelCorrupt:
        why = "; ".join(self._troubles) or "llama.cpp gives no reason"
        return ModelCorrupt(
            f"The model {path.name} cannot be loaded: {why}", hint="Fetch or copy the file again, or choose another."
        )

    def _warm_up(self, sequences: int) -> None:
        """One batch and one step, so that weights are in memory and threads awake before the first call."""
        lib = self.lib
        token = max(self.vocabulary.bos, 0)
        many = min(WARM_TOKENS, self.batch, self.context - 1)
        lib.llama_set_warmup(self.native, True)
        self.decode([Row(token, position, 0, position == many - 1) for position in range(many)])
        lib.llama_set_warmup(self.native, False)
        self.decode([Row(token, many, 0, True)])
        self.forget(0, 0)

    def metadata(self, key: str) -> str | None:
        """A metadata value of the file as text, None when it has none of that name."""
        length = self.lib.llama_model_meta_val_str(self.model, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        self.lib.llama_model_meta_val_str(self.model, key.encode(), buffer, length + 1)
        return buffer.value.decode(errors="replace")

    def chat_template(self) -> str | None:
        source = self.lib.llama_model_chat_template(self.model, None)
        return source.decode(errors="replace") if source else None

    @property
    def weights_bytes(self) -> int:
        return int(self.lib.llama_model_size(self.model))

    def kv_bytes_per_token(self) -> int:
        """Of the cache, keys and values in 16 bit; 0 where the model does not tell its heads."""
        lib, model = self.lib, self.model
        heads, kv_heads = lib.llama_model_n_head(model), lib.llama_model_n_head_kv(model)
        if heads < 1:
            return 0
        head = lib.llama_model_n_embd(model) // heads
        return int(2 * 2 * lib.llama_model_n_layer(model) * kv_heads * head)

    def use_threads(self, threads: int) -> None:
        """So many for the next steps, of one token or of many."""
        if threads != self._threads:
            self._threads = threads
            self.lib.llama_set_n_threads(self.native, threads, min(threads, self._batch_threads))

    def decode(self, rows: Sequence[Row], abandon: Callable[[], bool] | None = None) -> bool:
        """One step; at most `batch` rows. False when it was abandoned: then the caller forgets what it had begun.

        `abandon` is asked all the time whether anybody still wants it; that is some hundred times for a token, so only
        for long steps. Raises `EngineError` when llama.cpp cannot.
        """
        if (abandon is None) != (self._abandon is None):
            self.lib.llama_set_abort_callback(self.native, self._never if abandon is None else self._abort, None)
        self._abandon = abandon
        batch = self._rows
        token, position, sequence = batch.token, batch.pos, batch.seq_id
        for index, row in enumerate(rows):
            token[index] = row.token
            position[index] = row.position
            batch.n_seq_id[index] = 1
            sequence[index][0] = row.sequence
            batch.logits[index] = row.wanted
        batch.n_tokens = len(rows)
        code: int = self.lib.llama_decode(self.native, batch)
        if code == 0:
            return True
        if code == ABORTED:
            return False
        raise EngineError(f"llama.cpp could not decode {len(rows)} tokens (code {code})", hint="Ask again.")

    def forget(self, sequence: int, keep: int) -> int:
        """Remove all but the first `keep` tokens of a sequence; returns how many stay: a model with recurrent state
        cannot go back and loses all."""
        lib = self.lib
        if lib.llama_memory_seq_rm(self._memory, sequence, keep, -1):
            return keep
        lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return 0

    def save(self, sequence: int) -> bytearray:
        """What has been evaluated of a sequence."""
        state = bytearray(self.saved_bytes(sequence))
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)
        written = self.lib.llama_state_seq_get_data(self.native, buffer, len(state), sequence)
        del buffer  # what is lent cannot be cut
        del state[written:]
        return state

    def saved_bytes(self, sequence: int) -> int:
        return int(self.lib.llama_state_seq_get_size(self.native, sequence))

    def restore(self, sequence: int, state: bytearray) -> bool:
        """Put it back, into any sequence of the same model and context. False: llama.cpp refuses it."""
        self.forget(sequence, 0)
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)  # lent: a long prompt has tens of megabytes
        return bool(self.lib.llama_state_seq_set_data(self.native, buffer, len(state), sequence))
