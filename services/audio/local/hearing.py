"""The microphone seen from the daemon: takes its sound, watches its health, says when it must be opened again."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.audio.device import Figures
from services.audio.local.health import Drift, EarCheck, Health, HealthPolicy
from services.messages.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, SoundCaptured
from solo.bus import DeadlineExceeded
from solo.isolation.process import EngineProcess
from solo.supervision import Context

SOURCE = "microphone"
LOOK_S = 0.25
_FIGURES_EVERY = 4
"""Looks between two questions to the device's process."""
_WITHIN_S = 5.0
_MOST_PIECE_S = 1.0
_MOST = 2**53
_MOST_BAD = 25
"""Things in a row that are no sound: the device's process has lost its mind."""
FILL_S = 65.0
"""For so long a gap is filled with silence: every wait of an ear is over by then."""
_FILL_AFTER_S = 0.3
_FRAME_BYTES = 1280


class Reopen(StrEnum):
    """Why the device is opened again."""

    STALLED = "it delivered nothing"
    SILENT = "it had fallen silent"
    BAD = "its process sent no sound but something else"
    RETURNED = "the wanted device is back"


@dataclass(slots=True)
class Counts:
    """Since the start of the service, over all openings."""

    lost: int = 0
    xruns: int = 0
    bad: int = 0
    reopened: int = 0


@dataclass(slots=True)
class Hearing:
    """`source_clock` goes on while there is no microphone: what is missing is silence, not time."""

    ctx: Context
    policy: HealthPolicy = field(default_factory=HealthPolicy)
    counts: Counts = field(default_factory=Counts)
    health: Health = "starting"
    drift: Drift = field(default_factory=Drift)
    well_s: float = 0.0
    """For how long the present opening, or the last one, has been healthy."""
    delivered: bool = False
    """It has delivered sound at all."""
    attached: bool = False
    """The source is there: silence is worth something to somebody."""
    output: bool = True
    """The loudspeaker works, as far as its process knows."""
    _check: EarCheck | None = None
    _published: float = field(default_factory=time.monotonic)
    """Until when the source has had its sound."""
    _lost_at: float = field(default_factory=time.monotonic)
    _healthy_since: float | None = None

    def age_s(self) -> float:
        return 0.0 if self._check is None else self._check.age_s(time.monotonic())

    async def listen(self, engine: EngineProcess) -> Reopen:
        """Until it has to be opened again."""
        self._check = EarCheck(time.monotonic(), self.policy)
        self.drift, self.health, self.output = Drift(), "starting", True
        self._healthy_since, self.well_s, self.delivered = None, 0.0, False
        watching = asyncio.ensure_future(self._watch(engine, self._check))
        hearing = asyncio.ensure_future(self._hear(engine, self._check))
        try:
            await asyncio.wait({watching, hearing}, return_when=asyncio.FIRST_COMPLETED)
            done = watching if watching.done() else hearing
            return done.result()
        finally:
            for task in (watching, hearing):
                task.cancel()
            await asyncio.gather(watching, hearing, return_exceptions=True)
            self._check = None
            self._lost_at = time.monotonic()

    async def _hear(self, engine: EngineProcess, check: EarCheck) -> Reopen:
        bad = samples = 0
        async with engine.stream("capture", within=self.policy.first_within_s + 3600.0) as frames:
            async for pcm in frames:
                if not is_sound(pcm):
                    bad += 1
                    self.counts.bad += 1
                    if bad == 1:
                        self.ctx.log.warning("the device's process sent something that is not sound")
                    if bad >= _MOST_BAD:
                        return Reopen.BAD
                    continue
                bad = 0
                self.delivered = True
                now = self._published = time.monotonic()
                samples += len(pcm) // BYTES_PER_SAMPLE
                check.frame(now, len(pcm) / BYTES_PER_SAMPLE / SAMPLE_RATE)
                self.drift.take(now, samples)
                self.ctx.publish(SoundCaptured(source=SOURCE, pcm=pcm))
        return Reopen.STALLED

    async def _watch(self, engine: EngineProcess, check: EarCheck) -> Reopen:
        before: Figures | None = None
        for turn in itertools.count():
            await asyncio.sleep(LOOK_S)
            if turn % _FIGURES_EVERY == 0:
                try:
                    figures = read_figures(await engine.call("figures", within=_WITHIN_S))
                except DeadlineExceeded:
                    return Reopen.STALLED
                if figures is not None:
                    self._count(figures, before)
                    before = figures
                    check.still(figures["still_s"])
            self._enter(check.look(time.monotonic(), every_s=LOOK_S))
            if self.health == "stalled":
                return Reopen.STALLED
            if self.health == "silent" and check.was_healthy:
                return Reopen.SILENT
        raise AssertionError

    def _enter(self, health: Health) -> None:
        now = time.monotonic()
        if health != "healthy":
            self._healthy_since = None
        elif self._healthy_since is None:
            self._healthy_since = now
        else:
            self.well_s = now - self._healthy_since
        self.health = health

    def _count(self, figures: Figures, before: Figures | None) -> None:
        lost = figures["lost"] - (before["lost"] if before else 0)
        self.counts.lost += lost
        if lost:
            self.drift.lose()
        self.counts.xruns += sum(figures[kind] - (before[kind] if before else 0) for kind in ("xruns_in", "xruns_out"))
        self.output = figures["output"]

    async def fill(self) -> None:
        """For ever: where sound is missing there is silence, so that an utterance ends and a wait is over."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            missing = now - self._published
            if missing < _FILL_AFTER_S or not self.attached:
                continue
            if now - self._lost_at > FILL_S and self._check is None:
                continue
            frames = int(min(missing, 2.0) / 0.04)
            self._published = now
            self.ctx.publish(SoundCaptured(source=SOURCE, pcm=bytes(frames * _FRAME_BYTES)))


def read_figures(found: object) -> Figures | None:
    """None: they are not what the port promises."""
    if not isinstance(found, dict):
        return None
    whole: dict[str, Any] = {name: found.get(name) for name in ("received", "lost", "xruns_in", "xruns_out")}
    still, output = found.get("still_s"), found.get("output")
    if not isinstance(still, int | float) or not isinstance(output, bool):
        return None
    if not all(type(value) is int and 0 <= value < _MOST for value in whole.values()):
        return None
    return Figures(
        received=whole["received"],
        lost=whole["lost"],
        xruns_in=whole["xruns_in"],
        xruns_out=whole["xruns_out"],
        still_s=float(still),
        output=output,
    )


def is_sound(pcm: object) -> bool:
    """Whole samples, and not more of them than anybody would send at once: what an ear may be given."""
    return (
        isinstance(pcm, bytes)
        and 0 < len(pcm) <= _MOST_PIECE_S * SAMPLE_RATE * BYTES_PER_SAMPLE
        and len(pcm) % BYTES_PER_SAMPLE == 0
    )
