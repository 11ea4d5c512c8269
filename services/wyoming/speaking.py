"""A Wyoming client's text, spoken sentence by sentence while the rest is still coming."""

from __future__ import annotations

from wyoming.event import Event
from wyoming.tts import Synthesize as WantsSpeech
from wyoming.tts import SynthesizeStart, SynthesizeStopped, SynthesizeTextFormat, SynthesizeVoice

from services.formats.wyoming.frames import BadEvent, read, text_of
from services.formats.wyoming.sounds import chunk, starting, stopping
from services.messages.speech import ListVoices, Synthesize
from services.wyoming.link import Link
from services.wyoming.sentences import Sentences
from solo.errors import SoloError
from solo.supervision import Context

MOST_TEXT = 32_000
"""Characters of one text."""
_PIECE = 4096
"""Bytes of sound in one event: about 0.1 s."""
_SENTENCE_WITHIN_S = 60.0
"""For the next piece of a sentence; turns of the conversation come between."""
_QUIET_RATE = 16_000
"""Hz of a text without sound."""


class VoiceUnknown(SoloError):
    """There is no such voice."""

    code = "wyoming.no_such_voice"


class Speech:
    """One text: `say` as it comes, `finish` behind its end."""

    def __init__(self, ctx: Context, link: Link, voice: SynthesizeVoice | None) -> None:
        self._ctx = ctx
        self._link = link
        self._wanted = voice
        self._voice: str | None = None
        self._language: str | None = None
        self._chosen = False
        self._sentences = Sentences()
        self._taken = 0
        self._rate = 0
        self._sent = 0

    async def say(self, text: str) -> None:
        self._taken += len(text)
        if self._taken > MOST_TEXT:
            raise BadEvent(f"the text is longer than {MOST_TEXT} characters")
        for sentence in self._sentences.add(text):
            await self._speak(sentence)

    async def finish(self) -> None:
        """The rest, and the end of the sound; a text with nothing to say has an end too."""
        for sentence in self._sentences.finish():
            await self._speak(sentence)
        if not self._rate:
            await self._link.send(starting(_QUIET_RATE))
        await self._link.send(stopping(self._at_ms()))

    async def _speak(self, sentence: str) -> None:
        if not self._chosen:
            await self._choose()
        question = Synthesize(text=sentence, voice=self._voice, language=self._language)
        async with self._ctx.stream(question, within=_SENTENCE_WITHIN_S) as pieces:
            async for piece in pieces:
                if self._rate != piece.sample_rate:
                    if self._rate:  # another voice took over
                        await self._link.send(stopping(self._at_ms()))
                    self._rate, self._sent = piece.sample_rate, 0
                    await self._link.send(starting(self._rate))
                for start in range(0, len(piece.pcm), _PIECE):
                    await self._send(piece.pcm[start : start + _PIECE])

    async def _send(self, pcm: bytes) -> None:
        await self._link.send(chunk(pcm, self._rate, self._at_ms()))
        self._sent += len(pcm) // 2

    def _at_ms(self) -> int:
        return self._sent * 1000 // self._rate if self._rate else 0

    async def _choose(self) -> None:
        """Who speaks: a voice by its name, or one of a language; the usual one otherwise."""
        self._chosen = True
        if self._wanted is None:
            return
        if self._wanted.name is not None:
            name = text_of(self._wanted.name, "the voice's name", 200)
            voices = await self._ctx.request(ListVoices(), within=5)
            if name not in {voice.name for voice in voices}:
                known = ", ".join(voice.name for voice in voices[:10])
                raise VoiceUnknown(f"there is no voice {name[:60]!r}", hint=f"There are {known}.")
            self._voice = name if name != voices[0].name else None
        elif self._wanted.language is not None:
            language = text_of(self._wanted.language, "the language", 20)
            self._language = language.replace("_", "-").partition("-")[0].lower() or None


def wanted(event: Event) -> tuple[str, SynthesizeVoice | None]:
    """What a `synthesize` asks for."""
    asked = read(WantsSpeech, event)
    _plain(asked.text_format)
    return text_of(asked.text, "the text", MOST_TEXT), asked.voice


def wanted_voice(event: Event) -> SynthesizeVoice | None:
    """Who shall speak what follows a `synthesize-start`."""
    asked = read(SynthesizeStart, event)
    _plain(asked.text_format)
    return asked.voice


def stopped() -> Event:
    return SynthesizeStopped().event()


def _plain(form: object) -> None:
    if form is not None and form not in (SynthesizeTextFormat.TEXT, ""):
        raise BadEvent("the text is marked up; send it plain")
