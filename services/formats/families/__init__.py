"""Chat templates of model families, for models that bring none or one that does not work."""

from __future__ import annotations

import re
from importlib.resources import files

from services.formats import lineage

CHATML = "chatml"
"""The commonest format, which also takes messages in any order: the last resort."""
FAMILIES = (
    CHATML,
    "command-r",
    "deepseek",
    "deepseek3",
    "gemma",
    "granite",
    "llama2",
    "llama3",
    "mistral-nemo",
    "mistral-v1",
    "mistral-v3",
    "mistral-v7",
    "phi3",
    "phi4",
    "phi4-mini",
    "smollm",
    "vicuna",
    "zephyr",
)
"""Each is a file beside this one. They take messages of `system`, `user` and `assistant` in any order, and put nothing
that comes later before anything that comes earlier."""
_OF_LINEAGE = {
    "SmolLM": CHATML,
    "SmolLM2": "smollm",
    "SmolLM3": CHATML,
    "TinyLlama": "zephyr",
    "Zephyr": "zephyr",
    "Mixtral": "mistral-v1",
    "Mistral": "mistral-v3",
    "Code Llama": "llama2",
    "Llama 2": "llama2",
    "Llama 3": "llama3",
    "Vicuna": "vicuna",
    "Phi-3": "phi3",
    "Phi-4": "phi4",
    "Qwen": CHATML,
    "Qwen2": CHATML,
    "Qwen2.5": CHATML,
    "Qwen3": CHATML,
    "Gemma": "gemma",
    "Gemma 2": "gemma",
    "Gemma 3": "gemma",
    "Granite": "granite",
    "Command R": "command-r",
    "DeepSeek": "deepseek3",
}
_BY_NAME = (
    ("mistral-v7", r"mistral-large-.*2411|mistral-small-.*250[1-9]|pixtral-large"),
    ("mistral-nemo", r"nemo|ministral|pixtral"),
    ("mistral-v1", r"mistral-7b.*v0\.?[12]|mixtral-8x7b|mistral-7b-instruct$"),
    ("phi4-mini", r"phi-?4-mini"),
    ("deepseek", r"deepseek-(?:llm|v2|coder-v2)"),
    (CHATML, r"hermes|dolphin|openchatml|deepseek-r1-distill-qwen|yi-|internlm"),
)
"""What a name tells beyond the lineage."""
_BY_TEMPLATE = (
    ("phi4", r"<\|im_sep\|>"),
    (CHATML, r"<\|im_start\|>"),
    ("mistral-v7", r"\[SYSTEM_PROMPT\]"),
    ("mistral-v1", r"' \[INST\] '"),
    ("mistral-nemo", r'"\[INST\]"'),
    ("llama2", r"<<SYS>>"),
    ("mistral-v3", r"\[INST\]"),
    ("phi3", r"<\|end\|>"),
    ("gemma", r"<start_of_turn>"),
    ("llama3", r"<\|start_header_id\|>"),
    ("command-r", r"<\|START_OF_TURN_TOKEN\|>"),
    ("deepseek3", r"<｜Assistant｜>"),
    ("granite", r"<\|start_of_role\|>"),
    ("zephyr", r"<\|user\|>"),
    ("vicuna", r"USER: "),
)


def family_of(architecture: str, name: str, template: str | None = None) -> str:
    """One of `FAMILIES`, or empty when it cannot be told. A template tells even where it does not work."""
    for family, pattern in _BY_TEMPLATE:
        if template and re.search(pattern, template):
            return family
    said = re.sub(r"[\s_]+", "-", name.lower())
    for family, pattern in _BY_NAME:
        if re.search(pattern, said):
            return family
    return _OF_LINEAGE.get(lineage.family_of(architecture, (name,)), "")


def template_of(family: str) -> str:
    """The family's template, in Jinja. Raises KeyError for an unknown family."""
    if family not in FAMILIES:
        raise KeyError(family)
    return files(__name__).joinpath(f"{family}.jinja").read_text(encoding="utf-8").removesuffix("\n")
