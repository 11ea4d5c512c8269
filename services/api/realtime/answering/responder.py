"""Which responses of a session are under way: one of the conversation, and a few beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from services.api.asking import Stopping
from services.api.guards.limits import Standing
from services.api.guards.refusals import TooMany
from services.api.realtime import failures
from services.api.realtime.answering.answer import Answer, Scene, Wanted, Why
from services.api.realtime.failures import NoResponse, ResponseUnderWay
from services.api.recent import new_turn_id
from solo.errors import SoloError

MOST_ASIDE = 4
"""Responses outside of the conversation under way at a time."""


class Responder:
    def __init__(self, scene: Scene, tasks: asyncio.TaskGroup, take: Callable[[], Standing], session: object) -> None:
        """`take`: asks for one more response, of all that its caller may have in a minute; `session`: a drain waits
        for it while there is something under way."""
        self._scene = scene
        self._tasks = tasks
        self._take = take
        self._session = session
        self._talking: Answer | None = None
        """The conversation's response under way."""
        self._aside: set[Answer] = set()
        self._due: Wanted | None = None
        """What was said while the response before was still under way."""

    def begin(self, wanted: Wanted) -> None:
        """Raises ResponseUnderWay, Stopping, TooMany."""
        house = self._scene.house
        if wanted.in_conversation and self._talking is not None:
            raise ResponseUnderWay(hint="Wait for its response.done, or send response.cancel.")
        if not wanted.in_conversation and len(self._aside) >= MOST_ASIDE:
            raise ResponseUnderWay(f"{MOST_ASIDE} responses outside of the conversation are under way")
        if house.ctx.stopping.is_set():
            raise Stopping()
        standing = self._take()
        if not standing.allowed:
            raise TooMany(retry_after=standing.retry_after_s)
        answer = Answer(self._scene, wanted, new_turn_id())
        if wanted.in_conversation:
            self._talking = answer
        else:
            self._aside.add(answer)
        house.sessions.add(self._session)
        answer.start(self._tasks).add_done_callback(lambda _: self._over(answer, standing))

    def begin_or_wait(self, wanted: Wanted) -> None:
        """Somebody has finished speaking; a refusal is told, since nobody asked for it."""
        if self._talking is not None:
            self._due = wanted
            return
        try:
            self.begin(wanted)
        except SoloError as error:
            self._scene.line.say("error", error=failures.told(error))

    def forget_due(self) -> None:
        """Its speaker goes on speaking: there is more to be answered."""
        self._due = None

    async def interrupt(self, why: Why) -> None:
        """The response ends, and what its listener cannot have heard was not said."""
        if self._talking is not None:
            self._talking.cancel(why)
            await self._talking.ended()
        now = time.monotonic()
        for part in (part for item in self._scene.items for part in item.parts if part.sent_at):
            part.cut((now - part.sent_at) * 1000)

    async def cancel(self, name: str | None) -> None:
        """The response of this id; None: that of the conversation. Raises NoResponse."""
        under_way = {answer.id: answer for answer in (*self._aside, *filter(None, (self._talking,)))}
        found = self._talking if name is None else under_way.get(name)
        if found is None:
            raise NoResponse()
        found.cancel("client_cancelled")
        await found.ended()

    def _over(self, answer: Answer, standing: Standing) -> None:
        self._aside.discard(answer)
        if self._talking is answer:
            self._talking = None
        if self._talking is None and not self._aside:
            self._scene.house.sessions.discard(self._session)
        limit = {"name": "requests", "limit": standing.limit, "remaining": standing.remaining}
        self._scene.line.say("rate_limits.updated", rate_limits=[{**limit, "reset_seconds": float(standing.reset_s)}])
        if self._talking is None and self._due is not None:
            due, self._due = self._due, None
            self.begin_or_wait(due)
