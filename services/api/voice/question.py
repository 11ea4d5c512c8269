"""One spoken (or typed) question over a WebSocket, answered aloud."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any

from starlette.websockets import WebSocket

from services.api.asking import Stopping, answered
from services.api.guard import envelope
from services.api.house import House
from services.api.recent import new_turn_id
from services.api.voice.line import TurnLost, is_lost, new_source, next_said, say
from services.api.voice.said import BadVoiceMessage, End, Start, later_of, sound_of
from services.messages.audio import Attach, SoundCaptured, SoundEnded
from services.messages.conversation import AnswerGrew, Ask, QuestionHeard, TurnFinished, TurnStarted
from solo.bus import Event, Overflow

_IDLE_S = 3600.0
_PART_WITHIN_S = 60.0


class Question:
    def __init__(self, house: House, socket: WebSocket, start: Start) -> None:
        self._house = house
        self._ctx = house.ctx
        self._profile = socket.scope["principal"].profile
        self._socket = socket
        self._start = start
        self._source = new_source()
        self._spoken = asyncio.Event()
        self._turn_begun = start.text is not None

    async def run(self) -> None:
        """Until the one turn is over, or the client has left."""
        attach = Attach(source=self._source, wake=self._start.wake, talk=self._start.talk, profile=self._profile)
        async with (
            self._ctx.subscribe(Event, limit=1024, overflow=Overflow.FAIL, through_drain=True) as facts,
            self._ctx.stream(attach, within=_IDLE_S) as sounds,
        ):
            work = [
                asyncio.create_task(self._send_sound(sounds)),
                asyncio.create_task(self._send_facts(facts)),
                asyncio.create_task(self._receive()),
                asyncio.create_task(self._leave_at_drain()),
            ]
            if self._start.text is not None:
                work.append(asyncio.create_task(self._ask(self._start.text)))
            try:
                # The first to end decides: the turn is over, the client has left, or something failed.
                await _first_to_end(work)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)

    async def _receive(self) -> None:
        await say(self._socket, {"type": "ready", "source": self._source})
        while True:
            said = await next_said(self._socket)
            if isinstance(said, bytes):
                self._ctx.publish(SoundCaptured(source=self._source, pcm=sound_of(said)))
            elif isinstance(later_of(said), End):
                self._ctx.publish(SoundEnded(source=self._source))
            else:
                raise BadVoiceMessage("after `start` come sound and `end` only")

    async def _leave_at_drain(self) -> None:
        """When Solo stops, a turn that has begun is finished; a session without one ends."""
        await self._ctx.stopping.wait()
        if self._turn_begun:
            await asyncio.Event().wait()
        await say(self._socket, {"type": "error", **envelope(Stopping())})

    async def _send_sound(self, sounds: Any) -> None:
        async for sound in sounds:
            if sound.last:
                self._spoken.set()
                continue
            await self._socket.send_json({"type": "sound", "sample_rate": sound.sample_rate})
            await self._socket.send_bytes(sound.pcm)
        await asyncio.Event().wait()  # the source is closing; the turn's end is told by its fact

    async def _send_facts(self, facts: Any) -> None:
        async for fact in facts:
            if is_lost(fact):
                raise TurnLost()
            if getattr(fact, "source", None) != self._source:
                continue
            if isinstance(fact, TurnStarted):
                self._turn_begun = True
            elif isinstance(fact, QuestionHeard):
                await say(self._socket, {"type": "heard", "text": fact.text})
            elif isinstance(fact, AnswerGrew):
                await say(self._socket, {"type": "delta", "text": fact.delta})
            elif isinstance(fact, TurnFinished) and fact.summary.outcome != "continued":
                await self._finish(fact.summary.model_dump(mode="json"))
                return

    async def _ask(self, text: str) -> None:
        asked = Ask(
            text=text,
            talk=self._start.talk,
            speak_to=self._source,
            profile=self._profile,
            turn_id=new_turn_id(),
        )
        async with aclosing(answered(self._house, asked)) as parts:
            async for part in parts:
                if part.summary is not None:
                    await self._finish(part.summary.model_dump(mode="json"))
                else:
                    await say(self._socket, {"type": "delta", "text": part.delta})

    async def _finish(self, summary: dict[str, Any]) -> None:
        """Last of all, behind the sound: that takes another way than the facts."""
        if summary["audio_s"] > 0 and summary["outcome"] != "cancelled":
            with suppress(TimeoutError):
                async with asyncio.timeout(_PART_WITHIN_S):
                    await self._spoken.wait()
        await say(self._socket, {"type": "turn", "turn": summary})


async def _first_to_end(work: list[asyncio.Task[None]]) -> None:
    done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
