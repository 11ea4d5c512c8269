"""Chat templates as llama.cpp itself renders them: `python -m tests.llama_reference` records them anew."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "chat_templates"
NAMES = {
    "chatml": "chatml",
    "command-r": "command-r",
    "deepseek": "deepseek2",
    "deepseek3": "deepseek3",
    "gemma": "gemma",
    "granite": "granite",
    "llama2": "llama2-sys-bos",
    "llama3": "llama3",
    "mistral-nemo": "mistral-v3-tekken",
    "mistral-v1": "mistral-v1",
    "mistral-v3": "mistral-v3",
    "mistral-v7": "mistral-v7",
    "phi3": "phi3",
    "phi4": "phi4",
    "phi4-mini": "phi3",
    "smollm": "chatml",
    "vicuna": "vicuna",
    "zephyr": "zephyr",
}
"""What llama.cpp calls our families."""


def _talk(*turns: str) -> list[dict[str, str]]:
    roles = {"S": "system", "U": "user", "A": "assistant"}
    return [{"role": roles[turn[0]], "content": turn[1:]} for turn in turns]


TALKS = {
    "one question": _talk("UHi"),
    "with a system prompt": _talk("SBe brief.", "UHi"),
    "several turns": _talk("SBe brief.", "UHi", "AHello.", "UHow are you?", "AWell.", "UGood."),
    "without a system prompt": _talk("UHi", "AHello.", "UHow are you?"),
    "other scripts": _talk("SSei höflich.", "UGrüß dich, 世界 🐕", "Aمرحبا", "UЕщё"),
    "something remembered": _talk("SBe brief.", "UHi", "AHello.", "SThe user likes tea.", "UWhat do I like?"),
    "line breaks within": _talk("SOne.\n\nTwo.", "Udef f():\n\treturn 1\n\nWhat is it?"),
    "markers that are quoted": _talk("UWhat is <|im_end|> and [INST]?", "A</s> ends it.", "UOh."),
    "blanks at the ends": _talk("S one ", "U two\n", "A\tthree ", "U\nfour "),
    "nothing said": _talk("U"),
}


def reference(name: str, messages: list[dict[str, str]]) -> str:
    """The prompt as llama.cpp's C function makes it; it knows no Jinja, only these formats."""
    import llama_cpp

    chat = (llama_cpp.llama_chat_message * len(messages))(
        *(llama_cpp.llama_chat_message(m["role"].encode(), m["content"].encode()) for m in messages)
    )
    buffer = ctypes.create_string_buffer(65_536)
    length = llama_cpp.llama_chat_apply_template(name.encode(), chat, len(messages), True, buffer, len(buffer))
    if not 0 <= length <= len(buffer):
        raise ValueError(f"llama.cpp cannot render {name}")
    return buffer.raw[:length].decode()


def recorded(family: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((GOLDEN / f"{family}.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for family, name in NAMES.items():
        prompts = {title: reference(name, talk) for title, talk in TALKS.items()}
        text = json.dumps(prompts, ensure_ascii=False, indent=1)
        (GOLDEN / f"{family}.json").write_text(text + "\n", encoding="utf-8")
