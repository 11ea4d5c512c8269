"""One response: read what was said, think, speak or write, call tools; told to its client as it comes."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from services.api.asking import TurnCancelled
from services.api.house import House
from services.api.openai.asking import USUAL_TOKENS
from services.api.realtime import failures
from services.api.realtime.answering.account import Account
from services.api.realtime.answering.output import Output
from services.api.realtime.answering.phrases import Phrases
from services.api.realtime.answering.voice import Voice
from services.api.realtime.line import Line
from services.api.realtime.shape import Settings
from services.api.realtime.talk.items import Item, Items, messages, new_id
from services.messages.conversation import AnswerGrew, Failed, QuestionHeard, TurnFinished, TurnStarted
from services.messages.language import Complete, CompletionEnd, Sampling, Tool
from solo.bus import in_turn
from solo.errors import SoloError

_TOKEN_WITHIN_S = 60.0
"""Longest wait for the next token; an engine that hangs is noticed in 10 s, and loads again meanwhile."""
_END_WITHIN_S = 2.0
Why = Literal["turn_detected", "client_cancelled"]


@dataclass(frozen=True, slots=True)
class Scene:
    """The session that is answered."""

    house: House
    line: Line
    items: Items
    source: str
    profile: str
    answerer: dict[str, Any]
    """`role` and `model` of the questions to the language models."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one response is to be."""

    settings: Settings
    items: list[Item]
    """What the model reads."""
    metadata: dict[str, str] | None = None
    in_conversation: bool = True
    origin: float = field(default_factory=time.monotonic)
    """As in `Account`."""
    stt: str | None = None
    """The engine that heard the question."""


class Answer:
    def __init__(self, scene: Scene, wanted: Wanted, turn_id: str) -> None:
        self.id = new_id("resp")
        self.in_conversation = wanted.in_conversation
        self._scene = scene
        self._wanted = wanted
        self._ctx = scene.house.ctx
        self._why: Why | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = False
        self._output = Output(scene.line, self.id, scene.items if wanted.in_conversation else None)
        self._voice = Voice(self._ctx, wanted.settings.audio.output)
        self._phrases = Phrases()
        self._account = Account(turn_id, scene.source, scene.profile, wanted.origin, stt=wanted.stt)

    @property
    def account(self) -> Account:
        return self._account

    def start(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        self._task = tasks.create_task(self.run(), name=f"response {self.id}")
        return self._task

    def cancel(self, why: Why) -> None:
        """It ends at once, and says so itself."""
        if self._why is None and self._task is not None and not self._task.done():
            self._why = why
            if self._begun:  # before its first step it would be forgotten without a word
                self._task.cancel()

    async def ended(self) -> None:
        """After `cancel`: returns when it has said so."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_END_WITHIN_S)

    async def run(self) -> None:
        """Never raises a SoloError: a failure is the response's own end."""
        account, scene = self._account, self._scene
        self._begun = True
        status, details = "cancelled", None
        underway = scene.house.recent.underway(scene.profile, account.turn_id, lambda: self.cancel("client_cancelled"))
        with in_turn(account.turn_id), underway:
            self._ctx.publish(TurnStarted(source=scene.source))
            scene.line.say("response.created", response=self._told("in_progress"))
            try:
                if self._why is not None:
                    raise asyncio.CancelledError
                status, details = await self._answered()
                account.outcome = "answered"
            except asyncio.CancelledError:
                if self._why is None or self._task is None or self._task.uncancel() > 0:
                    raise
                details = {"type": "cancelled", "reason": self._why}
                if (part := self._output.part) is not None and self._wanted.settings.speaks:
                    part.text = part.until(part.sound_ms)  # what was never spoken was not said
            except SoloError as error:
                account.outcome = "failed"
                account.error = Failed(code=error.code, message=error.message)
                self._ctx.log.warning("response failed", code=error.code, error=error.line())
                told = failures.told(error)
                told = {name: told[name] for name in ("type", "code", "message")}
                status, details = "failed", {"type": "failed", "error": told}
            finally:
                account.mark("finished")
                account.audio_s = self._voice.sent_ms / 1000
                account.tts = self._voice.engine
                self._ctx.publish(TurnFinished(source=scene.source, summary=account.summary()))
            self._output.end(whole=False)
            scene.line.say("response.done", response=self._told(status, details))

    async def _answered(self) -> tuple[str, dict[str, Any] | None]:
        """Status and its details."""
        await self._hear()
        end = await self._think()
        await self._finish()
        for call in end.tool_calls:
            self._output.call(call)
        if end.finish == "length":
            return "incomplete", {"type": "incomplete", "reason": "max_output_tokens"}
        return "completed", None

    async def _hear(self) -> None:
        """What is still being transcribed belongs into the prompt. Raises what the question's own failed with."""
        pending = [part.heard for item in self._wanted.items for part in item.parts if part.heard is not None]
        if pending:
            await asyncio.wait(pending)
        self._account.mark("transcript")
        asked = next((item for item in reversed(self._wanted.items) if item.role == "user" and item.parts), None)
        if asked is None:
            return
        self._account.heard = asked.text
        for part in asked.parts:
            if part.heard is not None and not part.text and (error := part.heard.exception()) is not None:
                raise error
        self._ctx.publish(QuestionHeard(source=self._scene.source, text=asked.text))

    async def _think(self) -> CompletionEnd:
        """A model that dies in the middle goes on, once, behind what it has said."""
        for last_try in (False, True):
            try:
                async with self._ctx.stream(self._question(), within=_TOKEN_WITHIN_S, ahead=1) as parts:
                    async for part in parts:
                        if isinstance(part, CompletionEnd):
                            self._account.end = part
                            return part
                        await self._grow(part.text)
            except SoloError as error:
                if last_try or not error.retryable:
                    raise
                self._ctx.log.warning("asking the model again", error=error.line())
        raise TurnCancelled("the model broke off")

    def _question(self) -> Complete:
        settings = self._wanted.settings
        most = settings.max_output_tokens
        return Complete(
            messages=messages(settings.instructions, self._wanted.items),
            prefix=self._account.said,
            max_tokens=USUAL_TOKENS if most == "inf" else most,
            sampling=Sampling(temperature=settings.temperature),
            tools=tuple(Tool(**tool.model_dump(exclude={"type"})) for tool in settings.tools),
            tool_choice=settings.tool_choice,
            lane="voice" if settings.speaks else "chat",
            profile=self._scene.profile,
            **self._scene.answerer,
        )

    async def _grow(self, text: str) -> None:
        account = self._account
        if self._output.part is None and not text.strip():
            return  # nothing is begun for a blank, which may stand before the call of a tool
        account.mark("first_token")
        account.said += text
        self._ctx.publish(AnswerGrew(source=self._scene.source, delta=text))
        if self._output.part is None:
            self._output.begin(spoken=self._wanted.settings.speaks)
            text = text.lstrip()
        self._output.text(text)
        await self._scene.line.room()
        if self._wanted.settings.speaks:
            for phrase in self._phrases.feed(text):
                await self._speak(phrase)

    async def _speak(self, phrase: str) -> None:
        """While it is made the model rests, so that the voice has the processor to itself."""
        part = self._output.part
        assert part is not None
        try:
            async with aclosing(self._voice.say(phrase)) as pieces:
                async for piece in pieces:
                    self._sound(piece)
                    await self._scene.line.room()
        finally:
            if self._voice.sent_ms > part.until_ms:
                part.marks.append((self._voice.sent_ms, phrase))

    def _sound(self, piece: bytes) -> None:
        part = self._output.part
        if part is None or not piece:
            return
        if not part.sent_at:
            part.sent_at = time.monotonic()
            self._account.mark("first_audio")
            self._account.mark("voice_to_voice")
        self._output.sound(piece)
        part.sound_ms = self._voice.sent_ms

    async def _finish(self) -> None:
        if self._wanted.settings.speaks:
            for phrase in self._phrases.flush():
                await self._speak(phrase)
            self._sound(await self._voice.rest())
        self._output.end()

    def _told(self, status: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        settings = self._wanted.settings
        output = settings.audio.output.model_dump(include={"format", "voice"})
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [item.told() for item in self._output.done],
            "conversation_id": f"conv_{self._scene.source}" if self.in_conversation else None,
            "output_modalities": list(settings.output_modalities),
            "max_output_tokens": settings.max_output_tokens,
            "audio": {"output": output},
            "usage": self._account.usage(),
            "metadata": self._wanted.metadata,
        }
