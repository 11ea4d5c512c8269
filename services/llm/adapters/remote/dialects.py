"""What OpenAI-compatible servers differ in, and how each is recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server."""

    name: str
    """For people."""
    numbers: Literal["always", "needed"]
    """When `top_k`, `min_p` and the repeat penalty are sent, which OpenAI's API does not have: `always`, since this
    server has defaults of its own for them, or where they are not off (a server that does not know them says so)."""
    penalty: str = "repeat_penalty"
    """What it calls the repeat penalty."""
    schema: Literal["json_schema", "json_object"] = "json_schema"
    """The `response_format` in which it takes a JSON schema."""
    grammar: bool = True
    """It takes a GBNF grammar as `grammar`."""
    continues: Literal["last", "asked", "no"] = "no"
    """A last message of the assistant is gone on with: by itself, when asked to (`continue_final_message`), or not."""
    counts: Literal["template", "messages", "texts", "no"] = "no"
    """How it counts tokens: `/apply-template` and `/tokenize` of llama.cpp, `/tokenize` of vLLM, which takes messages,
    `/extras/tokenize/count` of llama-cpp-python, which takes texts, or not."""


LLAMA_CPP = Dialect("llama.cpp server", "always", continues="last", counts="template")
LLAMA_CPP_PYTHON = Dialect("llama-cpp-python server", "always", schema="json_object", counts="texts")
VLLM = Dialect("vLLM", "always", "repetition_penalty", grammar=False, continues="asked", counts="messages")
OLLAMA = Dialect("Ollama", "needed", grammar=False, continues="last")
LM_STUDIO = Dialect("LM Studio", "needed", grammar=False)
UNKNOWN = Dialect("OpenAI-compatible server", "needed")

_BY_OWNER = {
    "llamacpp": LLAMA_CPP,
    "me": LLAMA_CPP_PYTHON,
    "vllm": VLLM,
    "library": OLLAMA,
    "organization_owner": LM_STUDIO,
}
"""What each server says in `owned_by` of its models, as read in answers of their `GET /v1/models`."""


def dialect_of(entry: Mapping[str, Any]) -> Dialect:
    """The kind of server that lists a model so."""
    owner = entry.get("owned_by")
    if owner == "me" and "permissions" not in entry:
        return UNKNOWN
    return _BY_OWNER.get(owner, UNKNOWN) if isinstance(owner, str) else UNKNOWN


def context_of(entry: Mapping[str, Any]) -> int:
    """Tokens of prompt and answer together, as far as the list of models says it; 0: it does not."""
    meta = entry.get("meta")
    for said in (entry.get("max_model_len"), meta.get("n_ctx") if isinstance(meta, dict) else None):
        if isinstance(said, int) and 0 < said < 2**31:
            return said
    return 0
