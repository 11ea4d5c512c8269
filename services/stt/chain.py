"""Several engines in order: the first hears what it can, the next what it cannot, and what it fails at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Protocol

from services.messages.speech import Transcribe
from solo.bus import Busy
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput
from solo.isolation.process import EngineProcess

WITHIN_S = 30.0
FIRST_WITHIN_S = 4.0
"""For an engine that has another behind it, and as long as the sound on top: then it is taken for stuck."""
PARTIAL_WITHIN_S = 3.0
_WISHES = {"language", "prompt", "translate", "temperature", "details"}
_RATE_BYTES = 32_000


class Place(Protocol):
    """Where an engine stands in the order."""

    def using(self) -> AbstractAsyncContextManager[EngineProcess]:
        """Its process, started when it was not. Raises what keeps it from being there."""
        ...

    @property
    def awake(self) -> EngineProcess | None:
        """Its process, when it is there at this moment."""
        ...


class Chain:
    """Asks the engines; knows what each is doing, since a look ahead must not keep anybody waiting."""

    def __init__(self, places: Sequence[Place], warn: Callable[..., None]) -> None:
        """`warn`: takes what is logged of an engine that failed."""
        self._places = places
        self._warn = warn
        self._asking = 0
        self._look: asyncio.Timeout | None = None

    async def hear(self, question: Transcribe) -> tuple[EngineProcess, dict[str, Any]]:
        """The answer, and whose it is."""
        if question.partial:
            return await self._look_ahead(question)
        with self._in_earnest():
            return await self._hear(question)

    async def first(self) -> EngineProcess:
        """The first engine that is there, to be described. Raises why none is."""
        failed: SoloError | None = None
        for place in self._places:
            try:
                async with place.using() as engine:
                    return engine
            except SoloError as error:
                failed = failed or error
        assert failed is not None
        raise failed

    async def _hear(self, question: Transcribe) -> tuple[EngineProcess, dict[str, Any]]:
        doubtful: tuple[EngineProcess, dict[str, Any]] | None = None
        failed: SoloError | None = None
        for at, place in enumerate(self._places):
            last = at == len(self._places) - 1
            try:
                async with place.using() as engine:
                    if not (last and doubtful is None) and not able(engine.info, question):
                        continue
                    within = WITHIN_S if last else FIRST_WITHIN_S + len(question.pcm) / _RATE_BYTES
                    found = await engine.call("transcribe", within=within, pcm=question.pcm, **wishes(question))
            except BadEngineInput:
                raise
            except SoloError as error:
                failed = failed or error
                self._warn("an engine failed", engine=at, code=error.code, error=error.message)
                continue
            if not found.get("doubtful"):
                return engine, found
            # The first that heard anything: those behind it are asked because it may be wrong, not because they know.
            if doubtful is None or not doubtful[1]["text"]:
                doubtful = engine, found
        if doubtful is not None:
            return doubtful
        assert failed is not None
        raise failed

    async def _look_ahead(self, question: Transcribe) -> tuple[EngineProcess, dict[str, Any]]:
        awake = [place.awake for place in self._places if place.awake is not None]
        # Words to expect are a help: rather heard without them than not at all.
        unaided = question.model_copy(update={"prompt": ""})
        ways = ((one, way) for way in (question, unaided) for one in awake if able(one.info, way))
        engine, asked = next(ways, (None, question))
        if self._asking or self._look is not None or engine is None:
            raise Busy("the recogniser has no time for a look ahead")
        try:
            async with asyncio.timeout(None) as self._look:
                found = await engine.call("transcribe", within=PARTIAL_WITHIN_S, pcm=asked.pcm, **wishes(asked))
        except TimeoutError as error:
            raise Busy("a whole utterance has come before the look ahead was over") from error
        finally:
            self._look = None
        return engine, found

    @contextmanager
    def _in_earnest(self) -> Iterator[None]:
        """A look ahead under way is over: the engine hears of it between two tokens."""
        if self._look is not None and self._look.when() is None:
            self._look.reschedule(asyncio.get_running_loop().time())
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1


def wishes(question: Transcribe) -> dict[str, Any]:
    """What the asker wants otherwise than usual: a turn, which wants nothing, sends no more than its sound."""
    return question.model_dump(include=_WISHES, exclude_defaults=True)


def able(info: dict[str, Any], question: Transcribe) -> bool:
    """Whether an engine that says this of itself can do all that is wished."""
    english = not info.get("multilingual", False)
    if english and (question.translate or question.language not in {None, "en"}):
        return False
    offers = info.get("offers")
    wanted = wishes(question).keys() & {"prompt", "temperature", "details"}
    return offers is None or wanted <= set(offers)
