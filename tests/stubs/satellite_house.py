"""Solo's ears, mouths and conversation with the engines played, for satellites over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.audio.endpointing import EndpointingPolicy
from services.audio.service import ANSWERS, AudioService
from services.audio.utterance import EarPolicy
from services.conversation.service import ANSWERS as TURNS
from services.conversation.service import ConversationService, Tuned
from services.conversation.talks import Talks
from services.messages.language import Complete, CompletionEnd, Prefill, TextDelta
from services.messages.speech import ScoreSpeech
from services.wyoming.satellites.keeping import Known
from solo.bus import Bus
from solo.supervision import Context, ServiceSpec
from tests.stubs.cast import POLICY, ended
from tests.stubs.services import spec
from tests.stubs.wyoming_house import WORD, Engines, Open, opened

CHUNK = 512
LOUD = 8000
RATE = 16_000
SPEECH = LOUD.to_bytes(2, "little") * int(1.2 * RATE)
QUIET = bytes(2 * RATE)


def spoken(*, wake: bool) -> bytes:
    """A question, with the wake word in front where one is needed."""
    return QUIET[:6400] + (WORD if wake else b"") + QUIET[:12_800] + SPEECH + QUIET + QUIET


async def _score(question: ScoreSpeech) -> tuple[float, ...]:
    samples = memoryview(question.pcm).cast("h")
    return tuple(sum(samples[at : at + CHUNK]) / CHUNK / LOUD for at in range(0, len(samples), CHUNK))


async def _complete(question: Complete) -> AsyncGenerator[TextDelta | CompletionEnd, None]:
    yield TextDelta(text="Paris, I think.")
    yield ended(0)


async def _prefill(_: Prefill) -> int:
    return 1


def _answering(kind: type[Any], answer: Any) -> ServiceSpec:
    async def run(ctx: Context) -> None:
        ctx.ready()
        await ctx.answer(kind, answer)

    return spec(kind.__name__, run, answers=(kind,))


@asynccontextmanager
async def living(bus: Bus, *known: Known) -> AsyncIterator[Open]:
    """With these satellites."""
    parts = [
        ServiceSpec(
            name="audio", make=lambda: AudioService(EarPolicy(endpointing=EndpointingPolicy())), answers=ANSWERS
        ),
        ServiceSpec(name="conversation", make=lambda: ConversationService(Tuned(POLICY), Talks(300)), answers=TURNS),
        _answering(ScoreSpeech, _score),
        _answering(Complete, _complete),
        _answering(Prefill, _prefill),
    ]
    engines = Engines(asks=False)
    async with opened(bus, engines, *parts, satellites=known) as solo:
        yield solo
        await asyncio.sleep(0)
