"""One clause from an engine in a child process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from services.messages.speech import SoundChunk
from solo.isolation.process import EngineProcess

WITHIN_S = 15.0
"""Longest wait for the next piece."""


async def spoken(engine: EngineProcess, text: str, speed: float) -> AsyncGenerator[SoundChunk, None]:
    shown = engine.state()
    rate = int(engine.info["sample_rate"])
    wishes: dict[str, Any] = {} if speed == 1.0 else {"speed": speed}
    async with engine.stream("synthesize", within=WITHIN_S, text=text, **wishes) as pieces:
        async for pcm in pieces:
            yield SoundChunk(pcm=pcm, sample_rate=rate, engine=f"{shown.engine} {shown.model}")
