"""Which questions an earlier answer will do for, and what makes two of them the same."""

from __future__ import annotations

import hashlib
import json

from services.messages.language import Complete

VERSION = 1
"""Of the canonical form; another one makes other keys."""
BESIDE = frozenset({"id", "turn_id", "cause", "monotonic", "wall", "role", "task", "model", "lane", "cached"})
"""Fields of a question that do not change what its answer may be. `role`, `task` and `model` choose a model, and that
is named by its content; every other field, also one that comes to `Complete` later, makes another question."""


def wanted(question: Complete) -> bool:
    """Whether an earlier answer will do, and whether this one is kept.

    Where the asker does not say, it is so at temperature 0, when nobody is being spoken with and nothing that was
    remembered for the question is in the prompt. Such a prompt hardly comes again, and what somebody has had forgotten
    should not live on in a kept answer.
    """
    if question.cached is not None:
        return question.cached
    recalled = any(message.role == "system" for message in question.messages[1:])
    return question.sampling.temperature == 0 and question.lane != "voice" and not recalled


def key_of(question: Complete, model: str) -> bytes:
    """32 bytes, the same for the same question to the same model content on behalf of the same profile.

    Fields are in the order of their declaration. The order of the keys inside a JSON schema counts: it is the order
    in which the model reads them, and writes the answer.
    """
    asked = question.model_dump(exclude=set(BESIDE))
    canonical = json.dumps([VERSION, model, asked], separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()


def _plain(value: object) -> str:
    """Pictures by their hash."""
    assert isinstance(value, bytes)
    return hashlib.sha256(value).hexdigest()
