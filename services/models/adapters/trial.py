"""Loads a model with llama.cpp as an engine would, in a process that may die of it."""

from __future__ import annotations

import ctypes
import errno
import math
import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.formats.gguf import read_header
from services.formats.gguf_facts import ENCODERS
from solo.isolation.engine import EngineError, ModelCorrupt

CONTEXT = 64
"""Tokens: enough for one, and hardly any memory."""
_STACK = 256 * 1024
"""Bytes of a thread that looks at numbers."""
_LOG_ERROR = 4
"""`enum ggml_log_level` of ggml.h."""


class ModelTrial:
    """`load` is the trial: vocabulary and weights are loaded and one token is decoded.

    Options: `model`: path; `thorough`: check every block of the weights too, for which the whole file is read.
    Raises `ModelMissing` or `ModelCorrupt`; `EngineError` for what says nothing about the model.
    """

    def __init__(self, model: str, thorough: bool = False) -> None:
        self._path = Path(model)
        self._thorough = thorough

    def load(self) -> dict[str, Any]:
        header = read_header(self._path)
        import llama_cpp as lib

        troubles, self._hear = _hear_troubles(lib)
        lib.llama_backend_init()
        options = lib.llama_model_default_params()
        options.n_gpu_layers = 0
        if self._thorough:
            _small_stacks()
            options.check_tensors = True  # in a thread for each tensor
        options.use_extra_bufts = False  # weights packed for the processor would be a private copy of them
        model = lib.llama_model_load_from_file(str(self._path).encode(), options)
        if not model:
            raise self._refused(troubles, "llama.cpp cannot load it")
        vocabulary = lib.llama_model_get_vocab(model)
        words: int = lib.llama_vocab_n_tokens(vocabulary)
        if words <= 0:
            raise self._refused(troubles, "it has no vocabulary")
        settings = lib.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = CONTEXT
        settings.n_threads = settings.n_threads_batch = 1
        settings.offload_kqv = settings.op_offload = False
        encodes = header.metadata.get("general.architecture") in ENCODERS
        settings.embeddings = encodes
        context = lib.llama_init_from_model(model, settings)
        if not context:
            raise self._refused(troubles, "llama.cpp can make no context for it")
        token = (lib.llama_token * 1)(max(0, min(int(lib.llama_vocab_bos(vocabulary)), words - 1)))
        code: int = lib.llama_decode(context, lib.llama_batch_get_one(token, 1))
        if code != 0:
            raise self._refused(troubles, f"llama.cpp cannot decode one token with it (code {code})")
        if not encodes:
            logits = lib.llama_get_logits_ith(context, -1)
            if not logits:
                raise self._refused(troubles, "it does not generate text")
            if not all(map(math.isfinite, ctypes.cast(logits, ctypes.POINTER(ctypes.c_float))[:words])):
                raise self._refused(troubles, "what it computes are not numbers")
        return {"engine": "llama.cpp", "model": self._path.stem, "words": words}

    def _refused(self, troubles: deque[str], what: str) -> ModelCorrupt:
        said = " / ".join(dict.fromkeys(troubles))
        if os.strerror(errno.EAGAIN) in said:
            raise EngineError(f"{what}: {said}", hint="The machine has no threads left; ask again.")
        return ModelCorrupt(f"{what}: {said}" if said else what, hint="Fetch the file again, or use another model.")


def _small_stacks() -> None:
    """Stacks of threads to come count as memory; at their usual 8 MB a few hundred would be the whole limit."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)  # pthread_attr_t has 56 bytes
    if libc.pthread_attr_init(attributes) == 0 and hasattr(libc, "pthread_setattr_default_np"):
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_STACK))
        libc.pthread_setattr_default_np(attributes)


def _hear_troubles(lib: Any) -> tuple[deque[str], Callable[..., None]]:
    """llama.cpp's errors, the last few; the callback has to be kept, since it holds only the raw pointer."""
    troubles: deque[str] = deque(maxlen=3)

    def hear(level: int, text: bytes, _: Any) -> None:
        if level == _LOG_ERROR:
            troubles.append(" ".join(text.decode(errors="replace").split()))

    callback = lib.llama_log_callback(hear)
    lib.llama_log_set(callback, None)
    return troubles, callback
