"""A conversation over a WebSocket that outlives its line: numbered messages, kept until the client must have them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from services.api.asking import Stopping, TurnCancelled, answered
from services.api.guard import envelope
from services.api.house import House
from services.api.recent import new_turn_id
from services.messages.conversation import Ask
from services.messages.security import Principal
from solo.errors import SoloError

MOST_BYTES = 1024 * 1024
"""Of messages kept for one client, sent or not; a turn whose client takes nothing waits at that."""
_OVERHEAD = 256
"""Bytes counted for a message besides its text: numbers, names, objects."""

_PING = {"type": "ping"}


class TurnUnderWay(SoloError):
    """The answer before is not over yet."""

    code = "api.turn_under_way"


class ResumeGone(SoloError):
    """What came after that message is no longer kept."""

    code = "api.resume_gone"


@dataclass(slots=True)
class _Kept:
    seq: int
    body: dict[str, Any]
    texts: list[str]
    """Of a delta, to be joined."""
    bytes: int

    def line(self, session: str) -> str:
        text = {"text": "".join(self.texts)} if self.texts else {}
        return json.dumps({"seq": self.seq, "session": session, **self.body, **text}, ensure_ascii=False)


class ChatSession:
    """What is said to one client. It has at most one line at a time, and at most one turn."""

    def __init__(self, house: House, who: Principal, session_id: str) -> None:
        self.id = session_id
        self.who = who
        self.on_over: Callable[[], None] = lambda: None
        """Called when its turn is over."""
        self._house = house
        self._waiting: deque[_Kept] = deque()
        self._sent: deque[_Kept] = deque()
        """Given to a line, perhaps in vain."""
        self._bytes = 0
        self._last = 0
        self._gone = 0
        """Number of the last message that is no longer kept."""
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._turn: asyncio.Task[None] | None = None
        self._turn_id = ""

    @property
    def busy(self) -> bool:
        return self._turn is not None and not self._turn.done()

    @property
    def bytes(self) -> int:
        return self._bytes

    # -- what the client wants --------------------------------------------------------------------

    def ask(self, text: str, talk: str, tag: str | None) -> None:
        """Raises TurnUnderWay, Stopping."""
        if self.busy:
            raise TurnUnderWay(hint="Send `cancel` first, or wait for its `turn`.")
        if self._house.ctx.stopping.is_set():
            raise Stopping()
        self._turn_id = new_turn_id()
        question = Ask(text=text, talk=talk, profile=self.who.profile, turn_id=self._turn_id)
        self._turn = asyncio.create_task(self._answer(question, {} if tag is None else {"id": tag}), name="chat turn")
        self._house.sessions.add(self)  # a drain waits for it
        self._turn.add_done_callback(self._over)

    def cancel(self) -> None:
        """The turn under way, if any: the model is let go at once, and `turn` says how far it came."""
        if self.busy:
            self._room.set()
            self._house.recent.cancel(self.who.profile, self._turn_id)

    def end(self) -> None:
        """Nobody will come back: the turn is cancelled, nothing is kept."""
        if self._turn is not None:
            self._turn.cancel()
        self._waiting.clear()
        self._sent.clear()
        self._bytes = 0

    # -- what it is told --------------------------------------------------------------------------

    def say(self, kind: str, **body: Any) -> None:
        self._last += 1
        kept = _Kept(self._last, {"type": kind, **body}, [], _OVERHEAD + _size(body))
        self._keep(kept)

    def say_error(self, error: SoloError, **body: Any) -> None:
        self.say("error", **envelope(error), **body)

    def take(self) -> str | None:
        """The next message for the line; None: nothing yet."""
        if not self._waiting:
            self._some.clear()
            return None
        kept = self._waiting.popleft()
        if self._sent and self._sent[-1].body == kept.body == _PING:
            self._drop(self._sent.pop())  # an idle line's pings need not pile up
        self._sent.append(kept)
        self._trim()
        return kept.line(self.id)

    async def some(self) -> None:
        """Returns when there may be something to take."""
        await self._some.wait()

    def rewind(self, seq: int) -> None:
        """A new line: what came after `seq` is taken again. Raises ResumeGone."""
        if not self._gone <= seq <= self._last:
            raise ResumeGone(f"after message {seq} not everything is kept", hint="Read the turn at GET /api/turns.")
        while self._sent and self._sent[-1].seq > seq:
            self._waiting.appendleft(self._sent.pop())
        self._some.set()

    def acknowledge(self, seq: int) -> None:
        """The client has everything up to this one: it need not be kept."""
        while self._sent and self._sent[0].seq <= seq:
            self._drop_oldest()
        self._make_room()

    def _delta(self, text: str) -> None:
        """Joined with the one before, as long as the line has not taken that."""
        size = len(text.encode("utf-8", "replace"))
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.texts and last.body["turn_id"] == self._turn_id:
            last.texts.append(text)
            last.bytes += size
            self._bytes += size
            self._make_room()
            return
        self._last += 1
        body = {"type": "delta", "turn_id": self._turn_id}
        self._keep(_Kept(self._last, body, [text], _OVERHEAD + size))

    def _keep(self, kept: _Kept) -> None:
        self._waiting.append(kept)
        self._bytes += kept.bytes
        self._some.set()
        self._trim()

    def _trim(self) -> None:
        while self._bytes > MOST_BYTES and self._sent:
            self._drop_oldest()
        self._make_room()

    def _drop_oldest(self) -> None:
        gone = self._sent.popleft()
        self._drop(gone)
        self._gone = gone.seq

    def _drop(self, gone: _Kept) -> None:
        self._bytes -= gone.bytes

    def _make_room(self) -> None:
        if self._bytes <= MOST_BYTES:
            self._room.set()
        else:
            self._room.clear()

    # -- its turn ---------------------------------------------------------------------------------

    async def _answer(self, question: Ask, tag: dict[str, str]) -> None:
        self.say("started", turn_id=self._turn_id, talk=question.talk, **tag)
        try:
            async with aclosing(answered(self._house, question)) as parts:
                async for part in parts:
                    if part.summary is not None:
                        self.say("turn", turn=part.summary.model_dump(mode="json"), **tag)
                    elif part.delta:
                        self._delta(part.delta)
                    await self._room.wait()
        except SoloError as error:
            self.say_error(error, turn_id=self._turn_id, **tag)

    def _over(self, turn: asyncio.Task[None]) -> None:
        self._house.sessions.discard(self)
        if not turn.cancelled() and (crash := turn.exception()) is not None:
            self._house.ctx.log.error("a chat's turn crashed", exc_info=crash)
            self.say_error(TurnCancelled("the turn crashed", hint="The log says why."), turn_id=self._turn_id)
        self.on_over()


def _size(body: dict[str, Any]) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
