"""A typed question of a conversation, answered in writing and aloud."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from services.api.asking import answered
from services.api.guard import envelope
from services.api.house import House
from services.api.recent import new_turn_id
from services.api.voice.told import Delta, Heard, Problem, Started, Told
from services.messages.conversation import Ask, TurnSummary
from solo.errors import SoloError


class TypedQuestion:
    """Under way from the moment it is made."""

    def __init__(
        self,
        house: House,
        text: str,
        *,
        talk: str,
        profile: str,
        source: str,
        tell: Callable[[Told], None],
        over: Callable[[TypedQuestion, TurnSummary | None], None],
    ) -> None:
        self.turn = new_turn_id()
        self._house = house
        self._profile = profile
        self._tell = tell
        self._over = over
        asked = Ask(text=text, talk=talk, profile=profile, speak_to=source, turn_id=self.turn)
        self.task = asyncio.create_task(self._answer(asked), name=f"typed question {self.turn}")
        """Cancelled by who leaves; `end` lets it tell how far it came."""

    def end(self) -> None:
        """Enough of it: it is over in a moment."""
        if not self._house.recent.cancel(self._profile, self.turn):
            self.task.cancel()  # it has not been asked yet

    async def _answer(self, asked: Ask) -> None:
        summary: TurnSummary | None = None
        self._tell(Started(turn=self.turn))
        self._tell(Heard(turn=self.turn, text=asked.text))
        try:
            async with aclosing(answered(self._house, asked)) as parts:
                async for part in parts:
                    if part.summary is not None:
                        summary = part.summary
                    elif part.delta:
                        self._tell(Delta(turn=self.turn, text=part.delta))
        except SoloError as error:
            self._tell(Problem(**envelope(error), turn=self.turn))
        finally:
            self._over(self, summary)
