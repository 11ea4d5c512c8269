"""Asking a question in writing on somebody's behalf: its turn has an id from the beginning, and can be cancelled."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.api.house import House
from services.messages.conversation import AnswerPart, Ask
from solo.errors import SoloError

PART_WITHIN_S = 60.0
"""Longest wait for the next part of an answer, in seconds."""


class NoTurn(SoloError):
    """There is no such turn, or it is no longer kept, or it is over already."""

    code = "api.no_turn"


class Stopping(SoloError):
    """Solo is stopping."""

    code = "api.stopping"


class TurnCancelled(SoloError):
    """The turn was cancelled by the one who asked it."""

    code = "api.turn_cancelled"


async def answered(house: House, question: Ask) -> AsyncGenerator[AnswerPart, None]:
    """The parts of the answer, and last its summary, also of a turn that is cancelled by `house.recent.cancel`.

    `question` has its own `turn_id` (`new_turn_id`). Closing this cancels the turn. Raises the turn's SoloError.
    """
    assert question.turn_id is not None
    try:
        async with house.ctx.stream(question, within=PART_WITHIN_S) as parts:
            with house.recent.underway(question.profile, question.turn_id, lambda: parts.end(TurnCancelled())):
                async for part in parts:
                    yield part
    except TurnCancelled:
        summary = await house.recent.summary_of(question.turn_id)
        if summary is None:
            raise
        yield AnswerPart(summary=summary)
