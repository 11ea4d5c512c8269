"""Writes GGUF files for tests: any header at all, and a model so small that it loads in a moment and says nothing."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = range(13)
_CODES = {
    UINT8: "B", INT8: "b", UINT16: "H", INT16: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?", UINT64: "Q",
    INT64: "q", FLOAT64: "d",
}  # fmt: skip
F32, F16, Q4_0, Q8_0, Q4_K = 0, 1, 2, 8, 12


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str | bytes, kind: int, data: bytes) -> bytes:
    """A key, the number of a type, and whatever follows."""
    return text(key) + struct.pack("<I", kind) + data


def string(key: str | bytes, value: str | bytes) -> bytes:
    return pair(key, STRING, text(value))


def number(key: str, value: float, kind: int = UINT32) -> bytes:
    return pair(key, kind, struct.pack("<" + _CODES[kind], value))


def array(key: str, kind: int, values: Sequence[Any]) -> bytes:
    items = b"".join(map(text, values)) if kind == STRING else struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
    return pair(key, ARRAY, struct.pack("<IQ", kind, len(values)) + items)


def tensor(name: str | bytes = "weight", dimensions: Sequence[int] = (8,), kind: int = F32, offset: int = 0) -> bytes:
    shape = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return text(name) + shape + struct.pack("<IQ", kind, offset)


def gguf(
    *values: bytes,
    tensors: Sequence[bytes] = (tensor(),),
    version: int = 3,
    counts: tuple[int, int] | None = None,
    data: bytes = bytes(32),
    magic: bytes = b"GGUF",
    alignment: int = 32,
) -> bytes:
    """A header, aligned, and data behind it."""
    n_tensors, n_values = counts or (len(tensors), len(values))
    header = magic + struct.pack("<IQQ", version, n_tensors, n_values) + b"".join(values) + b"".join(tensors)
    return header + bytes(-len(header) % alignment) + data


WIDTH, WORDS, CONTEXT = 32, 64, 128
_TOKENS = ["<unk>", "<s>", "</s>", *(f"▁w{n}" for n in range(WORDS - 3))]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def model_values(template: str | bytes | None = CHATML, **strings: str) -> list[bytes]:
    """The metadata of the small model. `strings` with `__` for the dots, such as `general__name`."""
    named = {"general.architecture": "llama", "general.name": "Tiny Test Instruct", "general.license": "apache-2.0"}
    named |= {key.replace("__", "."): value for key, value in strings.items()}
    values = [string(key, value) for key, value in named.items()]
    values += [
        number("llama.context_length", CONTEXT),
        number("llama.embedding_length", WIDTH),
        number("llama.block_count", 1),
        number("llama.feed_forward_length", 64),
        number("llama.attention.head_count", 4),
        number("llama.attention.head_count_kv", 2),
        number("llama.rope.dimension_count", 8),
        number("llama.attention.layer_norm_rms_epsilon", 1e-5, FLOAT32),
        number("general.file_type", 0),
        string("tokenizer.ggml.model", "llama"),
        array("tokenizer.ggml.tokens", STRING, _TOKENS),
        array("tokenizer.ggml.scores", FLOAT32, [0.0] * WORDS),
        array("tokenizer.ggml.token_type", INT32, [2, 3, 3] + [1] * (WORDS - 3)),
        number("tokenizer.ggml.bos_token_id", 1),
        number("tokenizer.ggml.eos_token_id", 2),
    ]
    if template is not None:
        values.append(string("tokenizer.chat_template", template))
    return values


SHAPES: Mapping[str, tuple[int, ...]] = {
    "token_embd.weight": (WIDTH, WORDS),
    "blk.0.attn_norm.weight": (WIDTH,),
    "blk.0.attn_q.weight": (WIDTH, WIDTH),
    "blk.0.attn_k.weight": (WIDTH, WIDTH // 2),
    "blk.0.attn_v.weight": (WIDTH, WIDTH // 2),
    "blk.0.attn_output.weight": (WIDTH, WIDTH),
    "blk.0.ffn_norm.weight": (WIDTH,),
    "blk.0.ffn_gate.weight": (WIDTH, 64),
    "blk.0.ffn_up.weight": (WIDTH, 64),
    "blk.0.ffn_down.weight": (64, WIDTH),
    "output_norm.weight": (WIDTH,),
}


def small_model(
    values: Sequence[bytes] | None = None, shapes: Mapping[str, tuple[int, ...]] = SHAPES, fill: float | None = None
) -> bytes:
    """A llama of one block that llama.cpp loads, about 60 kB. `fill`: in place of every weight."""
    chance = random.Random(1)
    tensors, data = [], b""
    for name, shape in shapes.items():
        elements = 1
        for length in shape:
            elements *= length
        tensors.append(tensor(name, shape, F32, len(data)))
        numbers = [fill] * elements if fill is not None else [chance.gauss(0, 0.1) for _ in range(elements)]
        data += struct.pack(f"<{elements}f", *numbers)
        data += bytes(-len(data) % 32)
    return gguf(*(model_values() if values is None else values), tensors=tensors, data=data)


def split_model(folder: Path, name: str, parts: int = 3) -> list[Path]:
    """The small model in several files."""
    names = list(SHAPES)
    paths = []
    for number_ in range(parts):
        own = names[number_::parts]
        tensors, data = [], b""
        for each in own:
            elements = 1
            for length in SHAPES[each]:
                elements *= length
            tensors.append(tensor(each, SHAPES[each], F32, len(data)))
            data += bytes(elements * 4)
        values = [
            number("split.no", number_, UINT16),
            number("split.count", parts, UINT16),
            number("split.tensors.count", len(names), INT32),
        ]
        values = (model_values() if number_ == 0 else []) + values
        path = folder / f"{name}-{number_ + 1:05}-of-{parts:05}.gguf"
        path.write_bytes(gguf(*values, tensors=tensors, data=data))
        paths.append(path)
    return paths
