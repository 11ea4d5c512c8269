"""Cuts a history to what fits the model's context, in coarse steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from services.llm.engine import ChatMessage, PromptTooLong

USUAL_ANSWER = 256
"""Tokens kept free for the answer when a prompt is evaluated ahead; the default `max_tokens` of `complete`."""
CUTS = 8
"""A history of n exchanges is cut in steps of n // CUTS."""


class Fitted(NamedTuple):
    messages: list[ChatMessage]
    dropped: int
    """Messages left out."""


def fit(
    messages: Sequence[ChatMessage], tokens_of: Callable[[list[ChatMessage]], int], context: int, max_tokens: int
) -> Fitted:
    """The messages that leave room for `max_tokens` in `context`: the oldest exchanges of the history are left out.

    System messages and the last message always stay. `tokens_of` counts the tokens of a whole prompt. A long history
    (16 exchanges and more) is cut in steps, so that the cut stays where it is for some turns: a cut that moved with
    every turn would change the prompt's beginning each time, and with it make the KV cache useless.
    Raises `PromptTooLong` when even the last message alone leaves too little room.
    """
    exchanges = _exchanges(messages)
    step = max(1, len(exchanges) // CUTS)

    def without(cut: int) -> list[ChatMessage]:
        left_out = {index for exchange in exchanges[:cut] for index in exchange}
        return [message for index, message in enumerate(messages) if index not in left_out]

    def fits(cut: int) -> bool:
        return tokens_of(without(cut)) + max_tokens <= context

    if fits(0):
        return Fitted(list(messages), 0)
    shortest = without(len(exchanges))
    tokens = tokens_of(shortest)
    if tokens + max_tokens > context:
        raise PromptTooLong(
            f"The question takes {tokens} tokens and {max_tokens} are asked for the answer, the model has {context}",
            hint="Shorten the question or the system prompt, ask for a shorter answer, or raise the model's context.",
        )
    # The number of tokens falls with every exchange left out: look for the smallest cut by halving.
    too_few, enough = 0, len(exchanges)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if fits(middle) else (middle, enough)
    cut = min(len(exchanges), math.ceil(enough / step) * step)
    kept = without(cut)
    return Fitted(kept, len(messages) - len(kept))


def _exchanges(messages: Sequence[ChatMessage]) -> list[list[int]]:
    """The history's message indices, grouped: a message of the user begins a group, answers to it belong to it.

    When tools have just answered, the question that they were called for is no history yet.
    """
    groups: list[list[int]] = []
    for index, message in enumerate(messages[:-1]):
        if message["role"] == "system":
            continue
        if message["role"] == "user" or not groups:
            groups.append([])
        groups[-1].append(index)
    return groups[:-1] if messages[-1]["role"] == "tool" else groups
