"""Which models serve a need, best first, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from services.formats.gguf_facts import ENCODERS, KV_BYTES
from services.messages.models import ChooseModel, ModelFile

OVERHEAD = 192 * 1024**2
"""Bytes of an engine's process beside weights and KV cache: interpreter, library, vocabulary, buffers of a batch.
Measured: 76 MiB with SmolLM2 135M and 117 MiB with Gemma 3 270M, at a batch of 512; larger models need some more."""
_EMBEDS = re.compile(r"embed|(?<![a-z])(?:bge|e5|gte)(?![a-z])")
_CODES = re.compile(r"cod(?:e|er|ing)(?![a-rt-z])|devstral|starcoder")
_ENOUGH_BITS, _TOO_FEW_BITS = 8.0, 3.0
_NEWEST_FIRST = (
    *("Qwen3", "Gemma 3", "Llama 4", "gpt-oss", "SmolLM3", "Phi-4", "Granite", "Mistral", "Llama 3", "Qwen2.5"),
    *("OLMo", "Gemma 2", "Phi-3", "SmolLM2", "DeepSeek", "Command R", "Mixtral", "Qwen2", "Falcon", "Gemma"),
    *("StableLM", "Zephyr", "Qwen", "Phi-2", "SmolLM", "Llama 2", "Vicuna", "TinyLlama", "Phi", "Code Llama"),
)
"""Families by their generation: of two models of like size the later one is usually better."""


def choose(models: Iterable[ModelFile], need: ChooseModel) -> list[ModelFile]:
    """Those that serve it and are not refused, best first, each with its `note`.

    First what it is for, then size in steps of a half doubling, then bits a weight, then the family's generation.
    """
    fitting = [model for model in models if _serves(model, need) and _fits(model, need)]
    fitting.sort(key=lambda model: _rank(model, need.purpose), reverse=True)
    return [model.model_copy(update={"note": _note(model, need)}) for model in fitting]


def needed_bytes(model: ModelFile, context: int) -> int:
    """Of memory: weights, the KV cache of so many tokens, and the engine itself."""
    return model.size_bytes + kv_bytes(model, context) + OVERHEAD


def kv_bytes(model: ModelFile, context: int) -> int:
    """Where the file does not say what a token takes, what it would with full attention."""
    context = min(context, model.context or context)
    a_token = model.kv_bytes_per_token
    if a_token is None:
        a_token = 2 * (model.layers or 0) * (model.embedding or 0) * KV_BYTES
    return a_token * context


def _serves(model: ModelFile, need: ChooseModel) -> bool:
    if model.verdict == "refused" or (need.family and _plain(model.family) != _plain(need.family)):
        return False
    embeds = model.architecture in ENCODERS or bool(_EMBEDS.search(model.name))
    if need.purpose == "embedding":
        return embeds
    return need.purpose == "any" or (model.chat and not embeds)


def _fits(model: ModelFile, need: ChooseModel) -> bool:
    return need.memory_bytes is None or needed_bytes(model, need.context) <= need.memory_bytes


def _rank(model: ModelFile, purpose: str) -> tuple[float, ...]:
    bits = _bits(model)
    size = math.floor(2 * math.log2(model.parameters)) if model.parameters else 0
    if bits and bits < _TOO_FEW_BITS:
        size -= 2  # so few bits cost it about what half of its weights would
    age = _NEWEST_FIRST.index(model.family) if model.family in _NEWEST_FIRST else len(_NEWEST_FIRST)
    return (
        purpose == "code" and bool(_CODES.search(model.name)),
        model.template == "own" or purpose not in {"chat", "code"},
        size,
        min(bits, _ENOUGH_BITS),
        -age,
        -model.size_bytes,
    )


def _bits(model: ModelFile) -> float:
    """A weight, on average; 0: unknown."""
    return model.size_bytes * 8 / model.parameters if model.parameters else 0.0


def _note(model: ModelFile, need: ChooseModel) -> str:
    parameters = f"{model.parameters / 1e6:,.0f} million parameters" if model.parameters else "of unknown size"
    bits = f", {_bits(model):.1f} bits a weight" if model.parameters else ""
    context = min(need.context, model.context or need.context)
    needs = f"needs {needed_bytes(model, need.context) / 1e9:.2f} GB with {context} tokens of context"
    limit = f" of {need.memory_bytes / 1e9:.2f} GB" if need.memory_bytes is not None else ""
    short = f" (it takes no more than {context})" if context < need.context else ""
    template = {"own": "its own chat template", "family": f"the chat template of {model.family}", "none": "no template"}
    return f"{parameters}{bits}; {needs}{limit}{short}; {template[model.template]}"


def _plain(family: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", family.lower())
