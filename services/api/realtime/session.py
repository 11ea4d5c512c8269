"""One session: what its client asks, what its ear notices, and which response is under way."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.api.guards.limits import Standing
from services.api.house import House
from services.api.realtime import asked, failures, responses, shape
from services.api.realtime.answering.answer import Scene, Wanted
from services.api.realtime.answering.responder import Responder
from services.api.realtime.converting import Converter
from services.api.realtime.failures import BadRealtimeEvent, SessionIdle
from services.api.realtime.hearing.ear import HEARD, MOST_S, Ear, Noticed, Started, Stopped, Utterance
from services.api.realtime.hearing.words import Words
from services.api.realtime.line import Line
from services.api.realtime.old import inward
from services.api.realtime.shape import SAMPLES, Settings
from services.api.realtime.talk.items import Item, Items, Part, messages, new_id
from services.api.realtime.talk.reading import item_of
from services.messages.language import Prefill
from services.messages.security import Principal
from services.messages.speech import Transcript
from solo.errors import SoloError

IDLE_S = 900.0
"""Without a frame from its client a session ends."""
MOST_FRAMES_PER_S = 1000
_PREFILL_WITHIN_S = 10.0


class Session:
    def __init__(
        self, house: House, socket: WebSocket, who: Principal, settings: Settings, *, model: str, old: bool,
        answerer: dict[str, Any], take: Callable[[], Standing],
    ) -> None:  # fmt: skip
        """`take`: asks for one more response, of all that its caller may have in a minute."""
        self.id = new_id("sess")
        self._house = house
        self._ctx = house.ctx
        self._socket = socket
        self._settings = settings
        self._model = model
        self._source = f"realtime-{self.id[5:13]}"
        self._line = Line(socket, old=old)
        self._items = Items()
        self._words = Words(self._ctx, self._source, who.profile)
        self._ear = Ear(self._ctx, self._source, self._words, settings.audio.input)
        self._scene = Scene(house, self._line, self._items, self._source, who.profile, answerer)
        self._tasks = asyncio.TaskGroup()
        self._responder = Responder(self._scene, self._tasks, take, self)
        self._second = 0
        self._frames = 0

    async def run(self) -> None:
        """Until its client leaves (WebSocketDisconnect), takes nothing (Stalled) or is idle (SessionIdle)."""
        self._line.say("session.created", session=self._told())
        try:
            async with self._tasks as tasks:
                telling = tasks.create_task(self._line.run(), name="realtime line")
                try:
                    await self._listen()
                except SessionIdle as error:
                    self._line.say("error", error=failures.told(error))
                    self._line.end()
                    await telling
                    raise
        finally:
            self._house.sessions.discard(self)
            await self._words.close()

    async def _listen(self) -> None:
        while True:
            await self._line.room()
            try:
                async with asyncio.timeout(IDLE_S):
                    message = await self._socket.receive()
            except TimeoutError:
                raise SessionIdle(f"nothing came for {IDLE_S / 60:g} minutes") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006))
            await self._pace()
            event_id: str | None = None
            try:
                said = asked.parsed(dict(message))
                event_id = asked.event_id_of(said)
                await self._do(asked.event_of(inward(said)))
            except SoloError as error:
                self._line.say("error", error=failures.told(error, event_id))

    async def _pace(self) -> None:
        """A flood of small frames is taken no faster than this."""
        now = time.monotonic()
        if int(now) != self._second:
            self._second, self._frames = int(now), 0
        self._frames += 1
        if self._frames > MOST_FRAMES_PER_S:
            await asyncio.sleep(self._second + 1 - now)

    async def _do(self, event: asked.Event) -> None:
        line, items = self._line, self._items
        match event:
            case asked.SoundAppended():
                for noticed in await self._ear.append(_decoded(event.audio, "audio")):
                    await self._notice(noticed)
            case asked.SoundCommitted():
                self._commit(self._ear.commit(), respond=False)
            case asked.SoundCleared():
                self._ear.clear()
                line.say("input_audio_buffer.cleared")
            case asked.SessionUpdate():
                settings = shape.patched(self._settings, event.session)
                await responses.check_voice(self._ctx, settings, self._settings, "session")
                self._settings = settings
                self._ear.use(settings.audio.input)
                line.say("session.updated", session=self._told())
            case asked.ItemCreated():
                await self._create(event)
            case asked.ItemRetrieved():
                line.say("conversation.item.retrieved", item=items.find(event.item_id).told())
            case asked.ItemDeleted():
                items.delete(event.item_id)
                line.say("conversation.item.deleted", item_id=event.item_id)
            case asked.ItemTruncated():
                self._truncate(event)
            case asked.ResponseAsked():
                self._responder.begin(await responses.wanted(self._ctx, self._settings, items, event.response or {}))
            case asked.ResponseCancelled():
                await self._responder.cancel(event.response_id)

    # -- what is heard ----------------------------------------------------------------------------

    async def _notice(self, noticed: Noticed) -> None:
        how = self._settings.audio.input.turn_detection
        if isinstance(noticed, Started):
            self._line.say("input_audio_buffer.speech_started", audio_start_ms=noticed.at_ms, item_id=noticed.item)
            self._responder.forget_due()
            if how is None or how.interrupt_response:
                await self._responder.interrupt("turn_detected")
            self._read_ahead()
        elif isinstance(noticed, Stopped):
            utterance = noticed.utterance
            self._line.say("input_audio_buffer.speech_stopped", audio_end_ms=noticed.at_ms, item_id=utterance.item)
            self._commit(utterance, respond=how is not None and how.create_response)

    def _commit(self, utterance: Utterance, *, respond: bool) -> None:
        part = Part("input_audio", sound_ms=len(utterance.pcm) / 2 / HEARD.rate * 1000, heard=utterance.said)
        item = Item("message", utterance.item, parts=[part])
        self._line.say("input_audio_buffer.committed", previous_item_id=self._items.last_id, item_id=item.id)
        self._add(item, None)
        self._transcribe(item, 0, utterance if respond else None)

    def _transcribe(self, item: Item, place: int, answer: Utterance | None) -> None:
        """`answer`: respond to it when it is known what was said."""
        part = item.parts[place]
        assert part.heard is not None
        part.heard.add_done_callback(partial(_write, part))  # first of all, so that whoever waits for it finds it
        self._tasks.create_task(self._heard(item, place, answer), name=f"transcript {item.id}")

    async def _heard(self, item: Item, place: int, answer: Utterance | None) -> None:
        part = item.parts[place]
        assert part.heard is not None
        await asyncio.wait({part.heard})
        named = {"item_id": item.id, "content_index": place}
        told = self._settings.audio.input.transcription is not None
        error = part.heard.exception()
        if isinstance(error, SoloError):
            if told:
                body = failures.told(error)
                del body["event_id"]
                self._line.say("conversation.item.input_audio_transcription.failed", **named, error=body)
            if answer is not None:
                self._line.say("error", error=failures.told(error))
            return
        heard = part.heard.result()
        if told:
            kind = "conversation.item.input_audio_transcription"
            if part.text:
                self._line.say(f"{kind}.delta", **named, delta=part.text)
            usage = {"type": "duration", "seconds": round(part.sound_ms / 1000, 3)}
            self._line.say(f"{kind}.completed", **named, transcript=part.text, usage=usage)
        if answer is not None and part.text and not self._ear.speaking:
            wanted = Wanted(self._settings, list(self._items), origin=answer.speech_end, stt=heard.engine)
            self._responder.begin_or_wait(wanted)

    def _read_ahead(self) -> None:
        """While the question is being asked, the model reads what comes before it."""
        if not self._settings.tools and not self._scene.answerer.get("model"):
            prompt = messages(self._settings.instructions, iter(self._items))
            self._tasks.create_task(self._prefill(Prefill(messages=prompt)), name="prefill")

    async def _prefill(self, prefill: Prefill) -> None:
        try:
            await self._ctx.request(prefill, within=_PREFILL_WITHIN_S)
        except SoloError as error:  # it costs time only
            self._ctx.log.debug("read nothing ahead", error=error.line())

    # -- the conversation -------------------------------------------------------------------------

    async def _create(self, event: asked.ItemCreated) -> None:
        item, sounds = item_of(event.item)
        for place, sound in sounds.items():
            await self._sounds(item.parts[place], _decoded(sound, f"item.content.{place}.audio"))
        self._add(item, event.previous_item_id)
        for place in sounds:
            self._transcribe(item, place, None)

    async def _sounds(self, part: Part, sound: bytes) -> None:
        given = self._settings.audio.input
        samples = SAMPLES[given.format.type]
        if len(sound) % samples.bytes or len(sound) > MOST_S * samples.rate * samples.bytes:
            raise BadRealtimeEvent(f"The sound is no {given.format.type} of at most {MOST_S} s", param="item.content")
        pcm = await Converter(self._ctx, samples, HEARD).feed(sound, last=True)
        part.sound_ms = len(pcm) / 2 / HEARD.rate * 1000
        part.heard = self._words.of(pcm, given.transcription)

    def _add(self, item: Item, after: str | None) -> None:
        before, gone = self._items.add(item, after)
        for name in gone:
            self._line.say("conversation.item.deleted", item_id=name)
        self._line.say("conversation.item.added", previous_item_id=before, item=item.told())
        self._line.say("conversation.item.done", previous_item_id=before, item=item.told())

    def _truncate(self, event: asked.ItemTruncated) -> None:
        item = self._items.find(event.item_id)
        part = item.parts[event.content_index] if event.content_index < len(item.parts) else None
        if part is None or part.kind != "output_audio":
            raise BadRealtimeEvent("There is no sound of Solo's to truncate", param="content_index")
        if item.status == "in_progress":
            raise BadRealtimeEvent("It is still being spoken", param="item_id", hint="Send response.cancel first.")
        if event.audio_end_ms > part.sound_ms:
            raise BadRealtimeEvent(f"Its sound is {part.sound_ms:.0f} ms long", param="audio_end_ms")
        part.cut(event.audio_end_ms)
        part.sent_at = 0.0  # the client knows better than our clock
        self._line.say(
            "conversation.item.truncated",
            item_id=item.id,
            content_index=event.content_index,
            audio_end_ms=event.audio_end_ms,
        )

    def _told(self) -> dict[str, Any]:
        return shape.told(self._settings, id=self.id, model=self._model)


def _write(part: Part, heard: asyncio.Task[Transcript]) -> None:
    if not heard.cancelled() and heard.exception() is None:
        part.text = heard.result().text


def _decoded(sound: str, param: str) -> bytes:
    try:
        return base64.b64decode(sound, validate=True)
    except (binascii.Error, ValueError):
        raise BadRealtimeEvent("The sound is not base64", param=param) from None
