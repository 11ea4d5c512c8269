"""A conversation over a WebSocket: turn after turn, spoken or typed, each of which may be interrupted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Literal

from starlette.websockets import WebSocket

from services.api.asking import Stopping
from services.api.guard import envelope
from services.api.house import House
from services.api.voice.facts import in_words
from services.api.voice.line import TurnLost, is_lost, new_source, next_said
from services.api.voice.outbox import Outbox
from services.api.voice.said import (
    BadVoiceMessage,
    End,
    Interrupt,
    Later,
    Loudness,
    Played,
    Press,
    Release,
    Start,
    Typed,
    later_of,
    sound_of,
)
from services.api.voice.told import Listening, Problem, Ready, Sound, SoundEnd, Stop, Turn
from services.api.voice.typed import TypedQuestion
from services.messages.audio import (
    Attach,
    OnlyWakeWordHeard,
    PlaybackStopped,
    SoundCaptured,
    SoundEnded,
    SoundOut,
    StopSound,
    WakeWordHeard,
)
from services.messages.conversation import TurnFinished, TurnStarted, TurnSummary
from services.messages.invariants import CancelTurn
from services.messages.playback import SetVolume, SoundPlayed
from services.messages.turntaking import EndUtterance, ListenNow
from solo.bus import Event, Overflow
from solo.errors import SoloError

_LASTS_S = 86_400.0
_WITHIN_S = 1.0
"""Facts wait meanwhile, and their mailbox holds about as much."""
_SPOKEN_WITHIN_S = 10.0
"""Longest wait for the rest of a turn's sound before the turn is told."""
_FAREWELL_S = 2.0
_MOST_STOPPED = 64


class Conversation:
    def __init__(self, house: House, socket: WebSocket, start: Start) -> None:
        self._house = house
        self._ctx = house.ctx
        self._profile: str = socket.scope["principal"].profile
        self._socket = socket
        self._start = start
        self._source = new_source()
        self._outbox = Outbox(socket)
        self._turns: set[str] = set()
        """Spoken ones under way."""
        self._typed: TypedQuestion | None = None
        self._sounding: str = ""
        """The turn whose sound came last and has not ended."""
        self._stopped: dict[str, None] = {}
        """Turns whose sound is not to be sent any more, the newest last."""
        self._untold: dict[str, tuple[TurnSummary, asyncio.TimerHandle]] = {}
        """Turns that are over but for their sound."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._until: Literal["speech", "wake", "press"] = "speech"
        if start.manual or start.wake:
            self._until = "press" if start.manual else "wake"

    async def run(self) -> None:
        """Until the client leaves, or Solo stops. Raises SlowClient, and what the source ends with."""
        attach = Attach(
            source=self._source,
            wake=self._start.wake,
            again=not (self._start.wake or self._start.manual),
            manual=self._start.manual,
            barge_in=self._start.barge_in and not self._start.manual,
            room=self._start.room,
            talk=self._start.talk,
            profile=self._profile,
        )
        async with (
            self._ctx.subscribe(Event, limit=1024, overflow=Overflow.FAIL, through_drain=True) as facts,
            self._ctx.stream(attach, within=_LASTS_S) as sounds,
        ):
            self._outbox.tell(Ready(source=self._source))
            self._outbox.tell(Listening(until=self._until))
            work = [
                asyncio.create_task(self._outbox.run()),
                asyncio.create_task(self._take_sound(sounds)),
                asyncio.create_task(self._take_facts(facts)),
                asyncio.create_task(self._receive()),
                asyncio.create_task(self._leave_at_drain()),
            ]
            try:
                done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                if self._typed is not None:
                    work.append(self._typed.task)
                for task in work:
                    task.cancel()
                for _, timer in self._untold.values():
                    timer.cancel()
                await asyncio.gather(*work, return_exceptions=True)

    # -- from the client -------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            said = await next_said(self._socket)
            if isinstance(said, bytes):
                self._ctx.publish(SoundCaptured(source=self._source, pcm=sound_of(said)))
            else:
                await self._take(later_of(said))

    async def _take(self, said: Later) -> None:
        match said:
            case Played():
                self._ctx.publish(
                    SoundPlayed(source=self._source, played_turn=said.turn, played_s=said.played_ms / 1000)
                )
            case Press():
                await self._interrupt()
                self._ctx.publish(ListenNow(source=self._source, hold=True))
                self._outbox.tell(Listening(until="speech"))
            case Release():
                self._ctx.publish(EndUtterance(source=self._source))
            case Interrupt():
                await self._interrupt()
            case Typed():
                await self._interrupt()
                self._ask(said.text)
            case Loudness():
                await self._set_volume(said.volume)
            case End():
                self._ctx.publish(SoundEnded(source=self._source))
            case _:
                raise BadVoiceMessage("`start` comes once")

    async def _interrupt(self) -> None:
        """The answer under way, spoken or typed, and whatever still sounds."""
        if not (self._turns or self._typed or self._sounding):
            return
        turn = self._sounding or next(iter(self._turns), "")
        if self._typed is not None:
            turn = self._typed.turn
            self._typed.end()
        for spoken in tuple(self._turns):
            with suppress(SoloError):  # it is over by itself
                await self._ctx.request(CancelTurn(cancelled_turn=spoken), within=_WITHIN_S)
        with suppress(SoloError):  # the source is closing, which is as silent
            await self._ctx.request(StopSound(source=self._source, turn_id=turn or None), within=_WITHIN_S)

    def _ask(self, text: str) -> None:
        self._typed = TypedQuestion(
            self._house,
            text,
            talk=self._start.talk,
            profile=self._profile,
            source=self._source,
            tell=self._outbox.tell,
            over=self._typed_is_over,
        )
        self._idle.clear()

    def _typed_is_over(self, question: TypedQuestion, summary: TurnSummary | None) -> None:
        if self._typed is question:
            self._typed = None
        if summary is not None:
            self._over(summary)
        else:
            self._look_up()

    async def _set_volume(self, volume: float) -> None:
        try:
            await self._ctx.request(SetVolume(source=self._source, volume=volume), within=_WITHIN_S)
        except SoloError as error:
            self._outbox.tell(Problem(**envelope(error)))

    # -- to the client ---------------------------------------------------------------------------

    async def _take_sound(self, sounds: Any) -> None:
        async for sound in sounds:
            await self._take_piece(sound)
        await asyncio.Event().wait()  # the source is closing; a turn's end is told by its fact

    async def _take_piece(self, sound: SoundOut) -> None:
        turn = sound.turn_id or ""
        if sound.last:
            self._sounding = ""
            if turn not in self._stopped:
                self._outbox.tell(SoundEnd(turn=turn))
            self._tell_turn(turn)
        elif turn not in self._stopped:
            self._sounding = turn
            await self._outbox.sound(Sound(turn=turn, sample_rate=sound.sample_rate), sound.pcm)

    async def _take_facts(self, facts: Any) -> None:
        async for fact in facts:
            if is_lost(fact):
                self._lost()
            elif getattr(fact, "source", None) == self._source:
                await self._take_fact(fact)

    async def _take_fact(self, fact: Event) -> None:
        if (message := in_words(fact)) is not None:
            self._outbox.tell(message)
        match fact:
            case TurnStarted():
                self._turns.add(fact.turn_id or "")
                self._idle.clear()
                if self._typed is not None:  # somebody has spoken over the answer to what was typed
                    self._typed.end()
                    stop = StopSound(source=self._source, turn_id=self._typed.turn)
                    with suppress(SoloError):
                        await self._ctx.request(stop, within=_WITHIN_S)
            case WakeWordHeard():
                self._outbox.tell(Listening(until="speech", word=fact.word))
            case OnlyWakeWordHeard():
                self._turns.discard(fact.turn_id or "")
                self._outbox.tell(Listening(until="speech", word=fact.word))
            case PlaybackStopped():
                self._stop(fact.stopped_turn or "")
            case TurnFinished():
                self._turns.discard(fact.summary.turn_id)
                self._over(fact.summary)

    def _stop(self, turn: str) -> None:
        if turn:
            self._stopped[turn] = None
            while len(self._stopped) > _MOST_STOPPED:
                del self._stopped[next(iter(self._stopped))]
            self._outbox.forget(turn)
        self._sounding = ""
        self._outbox.tell(Stop(turn=turn))
        self._tell_turn(turn)

    def _over(self, summary: TurnSummary) -> None:
        """Told behind its sound, which takes another way than the facts."""
        turn = summary.turn_id
        timer = asyncio.get_running_loop().call_later(_SPOKEN_WITHIN_S, self._tell_turn, turn)
        self._untold[turn] = (summary, timer)
        if self._sounding != turn or summary.outcome == "cancelled":
            self._tell_turn(turn)

    def _tell_turn(self, turn: str) -> None:
        if (untold := self._untold.pop(turn, None)) is not None:
            summary, timer = untold
            timer.cancel()
            self._outbox.tell(Turn(turn=summary))
            self._look_up()

    def _look_up(self) -> None:
        """Nothing is under way: somebody may speak."""
        if not (self._turns or self._typed or self._untold) and not self._idle.is_set():
            self._idle.set()
            self._outbox.tell(Listening(until=self._until))

    def _lost(self) -> None:
        """The conversation starts anew; the source stays, and the next question finds it."""
        if self._turns:
            self._turns.clear()
            self._outbox.tell(Problem(**envelope(TurnLost())))
            self._look_up()

    async def _leave_at_drain(self) -> None:
        """When Solo stops, what is being answered is finished."""
        await self._ctx.stopping.wait()
        await self._idle.wait()
        self._outbox.tell(Problem(**envelope(Stopping())))
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._outbox.empty()
