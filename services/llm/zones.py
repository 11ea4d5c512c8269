"""Which part of a prompt a message is, told by the roles alone."""

from __future__ import annotations

from collections.abc import Sequence


def zone_of(roles: Sequence[str], index: int) -> str:
    """`system`, `history`, `memory` or `question`, for the message at `index`. What is remembered for a question comes
    as system messages right before it; a system message before or in the history, such as a summary of what has left,
    belongs to the history."""
    if index == len(roles) - 1:
        return "question"
    if roles[index] != "system":
        return "history"
    if index == 0:
        return "system"
    return "memory" if all(role == "system" for role in roles[index + 1 : -1]) else "history"
