"""Phrases as sound in the client's format, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.api.realtime.converting import Converter
from services.api.realtime.shape import SAMPLES, Output, Samples
from services.api.sound.speaking import ALIASES
from services.messages.speech import Synthesize
from solo.errors import SoloError
from solo.logs import get_logger
from solo.supervision import Context

PIECE_MS = 200
"""Longest sound of one event: what is cancelled or truncated is cut no coarser."""
_SOUND_WITHIN_S = 20.0


class Voice:
    """The sound of one response."""

    def __init__(self, ctx: Context, output: Output) -> None:
        self.engine: str | None = None
        self.sent_ms = 0.0
        """Length of the sound given out so far."""
        self._ctx = ctx
        self._output = output
        self._samples = SAMPLES[output.format.type]
        self._converter: Converter | None = None
        self._rate = 0
        self._log = get_logger(service="api")

    async def say(self, phrase: str) -> AsyncGenerator[bytes, None]:
        """A voice that dies says it once more, without the pieces that were given out already."""
        played = 0
        for last_try in (False, True):
            try:
                async with self._ctx.stream(self._question(phrase), within=_SOUND_WITHIN_S) as chunks:
                    index = 0
                    async for chunk in chunks:
                        index += 1
                        if index <= played:
                            continue
                        self.engine = chunk.engine
                        for piece in self._cut(await self._converted(chunk.pcm, chunk.sample_rate)):
                            yield piece
                        played += 1
                return
            except SoloError as error:
                if last_try or not error.retryable:
                    raise
                self._log.warning("saying it again", error=error.line())

    async def rest(self) -> bytes:
        """What the converter still holds."""
        if self._converter is None:
            return b""
        rest = await self._converter.feed(b"", last=True)
        self._converter = None
        self.sent_ms += self._ms(rest)
        return rest

    def _question(self, phrase: str) -> Synthesize:
        voice = None if self._output.voice.lower() in ALIASES else self._output.voice
        return Synthesize(text=phrase, speed=self._output.speed, voice=voice)

    async def _converted(self, pcm: bytes, rate: int) -> bytes:
        if self._converter is None or rate != self._rate:
            self._rate = rate
            self._converter = Converter(self._ctx, Samples(form="pcm", rate=rate, bytes=2), self._samples)
        return await self._converter.feed(pcm)

    def _cut(self, sound: bytes) -> list[bytes]:
        size = self._samples.rate * PIECE_MS // 1000 * self._samples.bytes
        self.sent_ms += self._ms(sound)
        return [sound[start : start + size] for start in range(0, len(sound), size)]

    def _ms(self, sound: bytes) -> float:
        return len(sound) * 1000 / self._samples.bytes / self._samples.rate
