"""What a GGUF header tells about a model, in the words of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.formats.families import family_of as template_family
from services.formats.gguf import Header
from services.formats.gguf_cursor import Value
from services.formats.lineage import family_of, says_it_talks

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""Names of `general.file_type` (`enum llama_ftype` of llama.h)."""
KV_BYTES = 2
"""Of one number in the KV cache (16 bit)."""
ENCODERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert"}
    | {"gemma-embedding"}
)
"""Architectures that make vectors and no text."""
TEMPLATE = "tokenizer.chat_template"
_LARGEST = 2**31 - 1
_LONGEST_NAME = 200
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]+"
)
"""Control characters and marks that change how a line is shown: the text is a stranger's and goes to terminals."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one model; numbers that are missing, or cannot be true, are None."""

    architecture: str
    family: str
    title: str
    parameters: int | None
    quantisation: str
    context: int | None
    """Tokens."""
    layers: int | None
    embedding: int | None
    kv_bytes_per_token: int | None
    chat: bool
    template: Literal["own", "family", "none"]
    templates: Mapping[str, str]
    """The chat templates that it brings, by the key of the metadata."""
    licence: str
    not_a_model: str
    """What it is instead, such as an adapter; empty: a model."""


def facts_of(header: Header, name: str) -> Facts:
    """`name`: of the file, which often tells what the metadata does not."""
    meta = header.metadata
    architecture = clean(_text(meta, "general.architecture"), 64)
    title = clean(_text(meta, "general.name"))
    templates = {key: value for key, value in meta.items() if key.startswith(TEMPLATE) and isinstance(value, str)}
    own = templates.get(TEMPLATE, "")
    names = (clean(_text(meta, "general.basename")), title, name)
    family = family_of(architecture, names, own)
    talks = says_it_talks(name, title, clean(_text(meta, "general.finetune")))
    known = talks and any(template_family(architecture, each) for each in names if each)
    embedding = _count(meta, f"{architecture}.embedding_length")
    return Facts(
        architecture=architecture,
        family=family,
        title=title,
        parameters=header.parameters or None,
        quantisation=_quantisation(header),
        context=_count(meta, f"{architecture}.context_length"),
        layers=_count(meta, f"{architecture}.block_count", 4096),
        embedding=embedding,
        kv_bytes_per_token=_kv_bytes(meta, architecture, embedding),
        chat=bool(own) or known,
        template="own" if own else "family" if known else "none",
        templates=templates,
        licence=clean(_text(meta, "general.license"), 100),
        not_a_model=_what_else(meta, architecture),
    )


def clean(text: str, most: int = _LONGEST_NAME) -> str:
    """One line that can be shown anywhere."""
    return " ".join(_UNPRINTABLE.sub(" ", text[: most * 2]).split())[:most]


def _quantisation(header: Header) -> str:
    named = _count(header.metadata, "general.file_type", zero=True)
    if named in FILE_TYPES:
        return FILE_TYPES[named]
    return max(header.types, key=lambda kind: header.types[kind], default="")


def _kv_bytes(meta: Mapping[str, Value], architecture: str, embedding: int | None) -> int | None:
    """Of all layers together for one token. Layers with a sliding window are counted as if they had none."""
    layers = _count(meta, f"{architecture}.block_count", 4096)
    heads = _count(meta, f"{architecture}.attention.head_count", 65_536)
    per_layer = meta.get(f"{architecture}.attention.head_count_kv")
    if layers is None:
        return None
    if isinstance(per_layer, tuple):
        if len(per_layer) != layers or not all(isinstance(each, int) and 0 <= each <= 65_536 for each in per_layer):
            return None
        kv_heads = sum(int(each) for each in per_layer)
    else:
        each = _count(meta, f"{architecture}.attention.head_count_kv", 65_536, zero=True)
        each = heads if each is None else each
        if each is None:
            return None
        kv_heads = each * layers
    usual = embedding // heads if embedding and heads else None
    key = _count(meta, f"{architecture}.attention.key_length", 65_536) or usual
    value = _count(meta, f"{architecture}.attention.value_length", 65_536) or usual
    return None if key is None or value is None else kv_heads * (key + value) * KV_BYTES


def _what_else(meta: Mapping[str, Value], architecture: str) -> str:
    kind = _text(meta, "general.type")
    if kind == "mmproj" or architecture == "clip":
        return "a projector for pictures, which is used beside its model"
    if kind == "adapter":
        return "an adapter, which is used beside its model"
    if kind == "imatrix":
        return "the importance matrix of a model"
    return "" if architecture else "nothing that names its architecture"


def _text(meta: Mapping[str, Value], key: str) -> str:
    value = meta.get(key, "")
    return value if isinstance(value, str) else ""


def _count(meta: Mapping[str, Value], key: str, most: int = _LARGEST, *, zero: bool = False) -> int | None:
    value = meta.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if (0 if zero else 1) <= value <= most else None
