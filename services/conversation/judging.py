"""What is known of a pause besides its length: its words, and, where a turn model is there, its sound."""

from __future__ import annotations

import asyncio

from services.conversation.finished import is_finished
from services.conversation.thinking import TurnPolicy
from services.conversation.turn import Turn
from services.messages.audio import UtterancePaused
from services.messages.turntaking import JudgeTurnEnd, PauseJudged
from solo.bus import NoHandler
from solo.errors import SoloError
from solo.supervision import Context

_MODEL_WITHIN_S = 1.0
_AT_ONCE_MS = 1.0
"""A whole command needs no more silence."""


class Judging:
    def __init__(self, ctx: Context, tasks: asyncio.TaskGroup) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._has_model = True

    def of_words(self, event: UtterancePaused, turn: Turn, policy: TurnPolicy) -> None:
        """Told as soon as the turn knows what was said."""

        async def judge() -> None:
            await turn.understood.wait()
            if turn.gate.is_open or not turn.heard:
                return
            if turn.skill is not None:
                self._tell(event, _AT_ONCE_MS, "skill")
            elif (finished := is_finished(turn.heard)) is not None:
                self._tell(event, policy.finished_ms if finished else policy.unfinished_ms, "words")

        self._tasks.create_task(judge(), name="judging words")

    def of_sound(self, event: UtterancePaused) -> None:
        """Asked of a turn model, until it is known that there is none."""

        async def judge() -> None:
            question = JudgeTurnEnd(source=event.source, pcm=event.pcm)
            try:
                found = await self._ctx.request(question, within=_MODEL_WITHIN_S)
            except NoHandler:
                self._has_model = False
            except SoloError as error:
                self._ctx.log.debug("a pause is not judged", source=event.source, code=error.code)
            else:
                self._tell(event, found.wait_ms, found.engine)

        if self._has_model:
            self._tasks.create_task(judge(), name="judging sound")

    def _tell(self, event: UtterancePaused, wait_ms: float, by: str) -> None:
        judged = PauseJudged(source=event.source, utterance=event.utterance, pause=event.pause, wait_ms=wait_ms, by=by)
        self._ctx.publish(judged)
