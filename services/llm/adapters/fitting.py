"""What every language-model adapter does before its engine sees a request: check it, and cut the history to fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from services.llm.engine import ChatMessage, PromptTooLong
from solo.isolation.engine import BadEngineInput

ROLES = ("system", "user", "assistant")
USUAL_ANSWER = 256
"""Tokens kept free for the answer when a prompt is evaluated ahead; the default `max_tokens` of `complete`."""
CUTS = 8
"""A history of n exchanges is cut in steps of n // CUTS."""


def zone_of(messages: Sequence[ChatMessage], index: int) -> str:
    """Which zone of the prompt a message is in; what is remembered for a question comes as a later system message."""
    if index == len(messages) - 1:
        return "question"
    if messages[index]["role"] == "system":
        return "system" if index == 0 else "memory"
    return "history"


class Fitted(NamedTuple):
    messages: list[ChatMessage]
    dropped: int
    """Messages left out."""


def check_messages(messages: Sequence[ChatMessage]) -> None:
    """Raise `BadEngineInput` unless `messages` is a list of role and content with known roles."""
    if not messages:
        raise BadEngineInput("There is no message to answer", hint="Send at least one message of the user.")
    for index, message in enumerate(messages):
        if message.get("role") not in ROLES:
            raise BadEngineInput(
                f"Message {index} has the role {message.get('role')!r}", hint=f"Use one of {', '.join(ROLES)}."
            )
        if not isinstance(message.get("content"), str):
            raise BadEngineInput(f"The content of message {index} is not text", hint="Send plain text.")


def check_request(
    messages: Sequence[ChatMessage], max_tokens: int, temperature: float, top_p: float, stop: Sequence[str]
) -> None:
    """Raise `BadEngineInput` for what no engine should be given; native code checks too little of it."""
    check_messages(messages)
    if messages[-1]["role"] != "user":
        raise BadEngineInput("The last message is not the user's", hint="End the messages with the question.")
    if max_tokens < 1:
        raise BadEngineInput(f"max_tokens is {max_tokens}", hint="Ask for at least one token.")
    if not math.isfinite(temperature) or temperature < 0:
        raise BadEngineInput(f"The temperature is {temperature}", hint="Use 0 for the likeliest answer, or up to 2.")
    if not 0 < top_p <= 1:
        raise BadEngineInput(f"top_p is {top_p}", hint="Use a number above 0 and up to 1.")
    if not all(isinstance(text, str) and text for text in stop):
        raise BadEngineInput("A stop string is empty or not text", hint="Leave it out.")


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
    """The history's message indices, grouped: a message of the user begins a group, answers to it belong to it."""
    groups: list[list[int]] = []
    for index, message in enumerate(messages[:-1]):
        if message["role"] == "system":
            continue
        if message["role"] == "user" or not groups:
            groups.append([])
        groups[-1].append(index)
    return groups
