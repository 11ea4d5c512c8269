"""The model's prompt, from its most stable part to the one that changes with every question."""

from __future__ import annotations

from collections.abc import Sequence

from services.conversation.recall import WITHIN_S
from services.conversation.talks import Talks
from services.messages.chats import LoadTalk
from services.messages.language import ChatMessage, Prefill
from solo.errors import SoloError
from solo.supervision import Context

_PREFILL_WITHIN_S = 10.0


def prompt(
    system_prompt: str, history: Sequence[ChatMessage], remembered: str, question: str | None
) -> tuple[ChatMessage, ...]:
    """System prompt, history (a summary of its beginning first, where there is one), what is remembered, question: the
    most stable part first, so that it stays in the model's cache; what is remembered changes with every question."""
    system = ChatMessage(role="system", content=system_prompt)
    memory = (ChatMessage(role="system", content=remembered),) if remembered else ()
    asked = () if question is None else (*memory, ChatMessage(role="user", content=question))
    return (system, *history, *asked)


async def take_up(ctx: Context, talks: Talks, profile: str, talk: str) -> None:
    """A talk that a restart of the daemon interrupted goes on, when it is not too long ago."""
    if not talks.is_new(profile, talk):
        return
    try:
        question = LoadTalk(profile=profile, talk=talk, newer_than_s=talks.forget_after_s)
        exchanges = await ctx.request(question, within=WITHIN_S)
    except SoloError as error:
        ctx.log.debug("no history from before", code=error.code)
    else:
        talks.take_up(profile, talk, [(exchange.heard, exchange.said) for exchange in exchanges])


async def read_ahead(
    ctx: Context, talks: Talks, system_prompt: str, profile: str, talk: str, question: str | None
) -> None:
    """The model reads what its prompt will begin with; a guess that fails costs time only."""
    await take_up(ctx, talks, profile, talk)
    messages = prompt(system_prompt, talks.history(profile, talk), "", question)
    try:
        await ctx.request(Prefill(messages=messages), within=_PREFILL_WITHIN_S)
    except SoloError as error:
        ctx.log.debug("no prefill", code=error.code)
