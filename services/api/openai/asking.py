"""What requests for answers have in common, whichever API they come by: who answers, and where an answer ends."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from services.messages.language import Role

USUAL_TOKENS = 512
"""Longest answer where nobody says how long: the prompt has to fit beside it in the model's context."""
LEAST_TOP_P = 1e-6
"""The APIs take 0, which means the likeliest token alone; so does this."""
ROLES: tuple[str, ...] = get_args(Role)
DEFAULTS = frozenset({"", "solo", "default"})
"""Names of no model in particular: who holds the conversation answers."""
_MOST_STOPS = 16
_LONGEST_STOP = 256
"""Characters; the engines take no longer one."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Stops = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=_LONGEST_STOP)], ...],
    BeforeValidator(_listed),
    Field(max_length=_MOST_STOPS),
]
"""Texts at which an answer ends; one alone needs no list."""


def _no(value: object) -> object:
    raise ValueError("is not offered by Solo")


NotOffered = Annotated[None, BeforeValidator(_no)]
"""A field that must be left out, since ignoring it would answer something else than what was asked."""


def answerer(model: str, role: Role | None = None) -> dict[str, Any]:
    """`role` and `model` of the question: a role's name asks the role, `solo` whoever holds the conversation."""
    if role is not None:
        return {"role": role, "model": "" if model in DEFAULTS or model in ROLES else model}
    if model in ROLES:
        return {"role": model}
    return {} if model in DEFAULTS else {"model": model}
