"""Which family a language model belongs to, from what its file says of itself and how it is called."""

from __future__ import annotations

import re

_BY_NAME = (
    ("SmolLM3", r"smollm-?3"),
    ("SmolLM2", r"smollm-?2"),
    ("SmolLM", r"smollm"),
    ("TinyLlama", r"tiny-?llama"),
    ("Zephyr", r"zephyr"),
    ("Mixtral", r"mixtral"),
    ("Mistral", r"mistral|ministral|devstral|magistral"),
    ("DeepSeek", r"deepseek"),
    ("Code Llama", r"code-?llama"),
    ("Llama 4", r"llama-?4"),
    ("Llama 3", r"llama-?3|llama-v3"),
    ("Llama 2", r"llama-?2|llama-v2"),
    ("Vicuna", r"vicuna"),
    ("Phi-4", r"phi-?4"),
    ("Phi-3", r"phi-?3"),
    ("Phi-2", r"phi-?2"),
    ("Phi", r"phi-?1|\bphi\b"),
    ("Qwen3", r"qwen-?3"),
    ("Qwen2.5", r"qwen-?2\.5"),
    ("Qwen2", r"qwen-?2|qwq"),
    ("Qwen", r"qwen"),
    ("Gemma 3", r"gemma-?3"),
    ("Gemma 2", r"gemma-?2(?!b)"),
    ("Gemma", r"gemma"),
    ("gpt-oss", r"gpt-?oss"),
    ("Granite", r"granite"),
    ("Command R", r"command-?r|\bc4ai\b"),
    ("Falcon", r"falcon"),
    ("OLMo", r"olmo"),
    ("StableLM", r"stable-?lm"),
)
"""The first pattern found in the name counts: a fine-tuned model often names its ancestors too."""
_BY_ARCHITECTURE = {
    "smollm3": "SmolLM3",
    "phi2": "Phi-2",
    "phi3": "Phi-3",
    "phimoe": "Phi-3",
    "qwen": "Qwen",
    "qwen2": "Qwen2",
    "qwen2moe": "Qwen2",
    "qwen2vl": "Qwen2",
    "qwen3": "Qwen3",
    "qwen3moe": "Qwen3",
    "qwen3next": "Qwen3",
    "gemma": "Gemma",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3",
    "gemma3n": "Gemma 3",
    "llama4": "Llama 4",
    "mistral3": "Mistral",
    "deepseek": "DeepSeek",
    "deepseek2": "DeepSeek",
    "gpt-oss": "gpt-oss",
    "granite": "Granite",
    "granitemoe": "Granite",
    "granitehybrid": "Granite",
    "command-r": "Command R",
    "cohere2": "Command R",
    "falcon": "Falcon",
    "falcon-h1": "Falcon",
    "olmo": "OLMo",
    "olmo2": "OLMo",
    "stablelm": "StableLM",
}
_BY_MARKER = (
    ("<|start_header_id|>", "Llama 3"),
    ("<|header_start|>", "Llama 4"),
    ("<start_of_turn>", "Gemma"),
    ("<|channel|>", "gpt-oss"),
    ("[INST] <<SYS>>", "Llama 2"),
    ("<<SYS>>", "Llama 2"),
    ("[INST]", "Mistral"),
)
"""Marks of chat templates that one family alone uses."""
_TALKS = re.compile(r"(?<![a-z])(?:instruct|chat|it|assistant|zephyr|vicuna)(?![a-z])")


def family_of(architecture: str, names: tuple[str, ...], template: str = "") -> str:
    """Such as `SmolLM2`; empty: unknown. `names`: of the file, and what it calls itself, the most telling first."""
    for name in names:
        said = re.sub(r"[\s_]+", "-", name.lower())
        for family, pattern in _BY_NAME:
            if re.search(pattern, said):
                return family
    if architecture.lower() in _BY_ARCHITECTURE:
        return _BY_ARCHITECTURE[architecture.lower()]
    return next((family for mark, family in _BY_MARKER if mark in template), "")


def says_it_talks(*names: str) -> bool:
    """Its name says that it was taught to converse."""
    return any(_TALKS.search(re.sub(r"[\s_]+", "-", name.lower())) for name in names)
