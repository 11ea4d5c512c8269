"""A Wyoming client's question in words, answered by the conversation, word by word."""

from __future__ import annotations

import re
from typing import Any

from wyoming.event import Event
from wyoming.handle import Handled, HandledChunk, HandledStart, HandledStop, NotHandled

from services.formats.wyoming.frames import BadEvent, text_of
from services.messages.conversation import AnswerPart, Ask
from services.wyoming.link import Link
from solo.errors import SoloError
from solo.supervision import Context

MOST_TEXT = 16_000
TALK = "wyoming"
"""Which history questions belong to that name no conversation of their own."""
_PART_WITHIN_S = 60.0
_ODD = re.compile(r"[^A-Za-z0-9_.-]")


async def handle(ctx: Context, link: Link, event: Event, profile: str) -> None:
    """Of a `recognize` or a `transcript`. A client that leaves cancels the answer."""
    text = text_of(event.data.get("text"), "the question", MOST_TEXT).strip()
    context = event.data.get("context")
    if context is not None and not isinstance(context, dict):
        raise BadEvent("the context is no object")
    if not text:
        await link.send(NotHandled(text="Nothing was asked.", context=context).event())
        return
    told = False
    ended: AnswerPart | None = None
    try:
        async with ctx.stream(Ask(text=text, talk=talk_of(context), profile=profile), within=_PART_WITHIN_S) as parts:
            async for part in parts:
                if part.summary is not None:
                    ended = part
                elif part.delta:
                    begin = [] if told else [HandledStart(context=context).event()]
                    told = True
                    await link.send(*begin, HandledChunk(text=part.delta).event())
    except SoloError as error:
        if told:
            await link.send(HandledStop().event())
        await link.send(NotHandled(text=error.message, context=context).event())
        return
    await link.send(*_end(ended, told, context))


def talk_of(context: dict[str, Any] | None) -> str:
    """The history that a conversation of the client's has."""
    named = (context or {}).get("conversation_id")
    return f"{TALK}-{_ODD.sub('_', named)[:48]}" if isinstance(named, str) and named else TALK


def _end(ended: AnswerPart | None, told: bool, context: dict[str, Any] | None) -> list[Event]:
    """The whole answer comes behind its pieces, for clients that know no pieces."""
    summary = None if ended is None else ended.summary
    if summary is not None and summary.outcome == "answered":
        begin = [] if told else [HandledStart(context=context).event()]
        return [*begin, Handled(text=summary.said, context=context).event(), HandledStop().event()]
    why = summary.error.message if summary is not None and summary.error is not None else "There is no answer."
    stop = [HandledStop().event()] if told else []
    return [*stop, NotHandled(text=why, context=context).event()]
