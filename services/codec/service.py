"""Answers `DecodeSound` with a process for each file, and `EncodeSound` with one that stays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.codec.engine import RATE, SoundUnreadable
from services.messages.codec import ConvertSound, DecodedSound, DecodeSound, EncodeSound, ResampleSound, SoundPiece
from solo.bus import DeadlineExceeded
from solo.isolation.engine import EngineDied, InputQuarantined
from solo.isolation.process import EngineProcess, EngineSpec
from solo.isolation.quarantine import key_of
from solo.supervision import Context

AT_ONCE = 2
"""Files decoded at once; each has a process with limits of its own."""
MOST_WAITING = 8
"""Files under way before more are told to come back: each is up to 25 MiB here."""
PIECE_WITHIN_S = 20.0
"""Seconds for the next piece of a file; most take some milliseconds."""
ENCODE_WITHIN_S = 10.0
_RESAMPLED = {"session", "pcm", "form", "rate", "to_form", "to_rate", "first", "last"}
_PIECES_AHEAD = 128
"""The process does not wait to be asked for each piece of a file."""
_HINT = "Check that it plays elsewhere, and save it as WAV, FLAC or MP3."


@dataclass(frozen=True, slots=True)
class DecoderService:
    """A foreign file is read in a process that nothing else of anybody passes through, and that ends with it."""

    engine: EngineSpec
    name: str = "decoder"

    async def run(self, ctx: Context) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def decode(question: DecodeSound) -> DecodedSound:
            # A large file takes some tens of milliseconds to hash, which the loop has not.
            key = await asyncio.to_thread(key_of, question.content)
            async with turns:
                try:
                    return await self._decode(question, key)
                except (EngineDied, InputQuarantined, DeadlineExceeded) as error:
                    ctx.log.warning("a sound file ended its decoder", reason=error.message, bytes=len(question.content))
                    raise SoundUnreadable(
                        "The file cannot be decoded: the decoder gave up on it.", hint=_HINT
                    ) from error

        ctx.ready()
        # An error here says something of a file, never that the service is about to start anew.
        await ctx.answer(DecodeSound, decode, limit=MOST_WAITING, restarts=False)

    async def _decode(self, question: DecodeSound, key: str) -> DecodedSound:
        found: list[SoundPiece] = []
        asked = {"content": question.content, "piece_s": question.piece_s}
        try:
            async with (
                EngineProcess(self.engine).running() as engine,
                engine.stream("decode", within=PIECE_WITHIN_S, key=key, ahead=_PIECES_AHEAD, **asked) as pieces,
            ):
                found.extend([SoundPiece.model_validate(piece) async for piece in pieces])
        except ExceptionGroup as group:
            raise _first(group) from group
        last = found[-1]
        return DecodedSound(seconds=last.start + len(last.pcm) / 2 / RATE, pieces=tuple(found))


@dataclass(frozen=True, slots=True)
class EncoderService:
    """Files of our own sound, and raw samples of others', in which nothing can be wrong but their number: no foreign
    file passes through its process, which is ready before it is needed."""

    engine: EngineSpec
    name: str = "encoder"

    async def run(self, ctx: Context) -> None:
        async with EngineProcess(self.engine).running() as engine:
            ctx.engine = engine.state

            async def encode(question: EncodeSound) -> bytes:
                asked = question.model_dump(include={"session", "format", "sample_rate", "pcm", "first", "last"})
                made: bytes = await engine.call("encode", within=ENCODE_WITHIN_S, key=question.id, **asked)
                return made

            async def convert(question: ConvertSound) -> bytes:
                asked = question.model_dump(include={"session", "rate", "width", "channels", "pcm", "last"})
                made: bytes = await engine.call("convert", within=ENCODE_WITHIN_S, key=question.id, **asked)
                return made

            async def resample(question: ResampleSound) -> bytes:
                asked = question.model_dump(include=_RESAMPLED)
                made: bytes = await engine.call("resample", within=ENCODE_WITHIN_S, key=question.id, **asked)
                return made

            ctx.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ctx.answer(EncodeSound, encode))
                tasks.create_task(ctx.answer(ConvertSound, convert))
                tasks.create_task(ctx.answer(ResampleSound, resample))


def _first(group: BaseException) -> BaseException:
    """What went wrong first in the groups that task groups make."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
