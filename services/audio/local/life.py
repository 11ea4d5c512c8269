"""Keeps the sound device open: opens, watches, opens again after growing pauses, takes the wanted one back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from services.audio.device import NoSoundDevice
from services.audio.local.health import HealthPolicy, Reopening
from services.audio.local.hearing import LOOK_S, SOURCE, Hearing, Reopen
from services.audio.local.playing import Playing
from services.audio.local.plugged import unless_plugged
from services.audio.local.slot import DeviceSlot
from services.messages.device import DescribeDevice, DeviceChanged, DeviceState
from solo.errors import SoloError
from solo.isolation.engine import EngineDied
from solo.isolation.process import EngineProcess, EngineSpec
from solo.sound import BadSoundFile
from solo.supervision import Context, EngineState
from solo.supervision.child import root_cause

_AVOIDED_S = 60.0
"""A wanted device that opened twice in a row without delivering anything is left alone for so long, then longer."""
_NEVER_S = 5.0
"""Least pause where there has never been a device: most likely there will not be one either."""
_DRIFT_PPM = 1000.0
"""Sound that comes so much too fast or too slowly is not what the device says it is."""


class DeviceLife:
    def __init__(
        self,
        ctx: Context,
        spec: EngineSpec,
        look: EngineSpec | None,
        slot: DeviceSlot,
        playing: Playing,
        policy: HealthPolicy,
    ) -> None:
        self.hearing = Hearing(ctx, policy)
        self._ctx = ctx
        self._spec = spec
        self._look = look
        self._slot = slot
        self._playing = playing
        self._reopening = Reopening()
        self._avoided: str = ""
        self._avoid_until = 0.0
        self._avoids = Reopening(first_s=_AVOIDED_S, most_s=900.0)
        self._vain = 0
        """Openings in a row without any sound."""
        self._problem = ""
        """Why there is no device."""
        self._ever = False
        self._lost_at: float | None = None
        self._said: tuple[Any, ...] = ()

    # -- its life --------------------------------------------------------------------------------

    async def keep(self) -> None:
        """For ever."""
        while True:
            try:
                async with EngineProcess(self._with_avoided()).running() as engine:
                    self._problem = ""
                    with self._slot.holding(engine):
                        self._playing.lost = False
                        why = await self._use(engine)
                self._ctx.log.warning("the sound device is opened again", why=why.value)
            except* (NoSoundDevice, BadSoundFile, EngineDied) as group:
                error = root_cause(group)
                self._problem = error.line() if isinstance(error, SoloError) else str(error)
            self._ended()
            pause = max(self._reopening.pause_s(), 0.0 if self._ever else _NEVER_S)
            self._tell()
            await unless_plugged(pause)
            self.hearing.counts.reopened += self._ever

    async def _use(self, engine: EngineProcess) -> Reopen:
        """Until it is to be opened again; its death is raised."""
        self._ever = True
        jobs = [asyncio.ensure_future(self._show()), asyncio.ensure_future(self._await_wanted())]
        if self._slot.info.get("input"):
            jobs.append(asyncio.ensure_future(self.hearing.listen(engine)))
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            why = next(job for job in reversed(jobs) if job.done()).result()
            assert isinstance(why, Reopen)
            return why
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    def _ended(self) -> None:
        """What the opening that is over means for the next one."""
        hearing = self.hearing
        hearing.health = "starting"
        self._reopening.lasted(hearing.well_s, delivered=hearing.delivered)
        self._vain = 0 if hearing.delivered else self._vain + 1
        name = str(self._slot.info.get("input", ""))
        if self._look is not None and name and self._vain >= 2 and not self._slot.info.get("fallback_input"):
            self._avoided, self._vain = name, 0
            self._avoid_until = time.monotonic() + self._avoids.pause_s()

    def _with_avoided(self) -> EngineSpec:
        if not self._avoided:
            return self._spec
        return replace(self._spec, options=self._spec.options | {"avoid": self._avoided})

    async def _await_wanted(self) -> Reopen:
        """While another device stands in: look now and then whether the wanted one is back, and nobody is speaking."""
        looking = Reopening(first_s=2.0, most_s=30.0)
        while True:
            await asyncio.sleep(looking.pause_s())
            missing = self._missing()
            if self._look is None or not missing:
                continue
            if self._avoided and time.monotonic() < self._avoid_until:
                missing = [what for what in missing if what != "wanted_input"]
            try:
                async with EngineProcess(self._look).running() as found:
                    there = any(found.info.get(what) for what in missing)
            except* SoloError:
                there = False
            if there:
                await self._playing.over.wait()
                self._avoided = ""
                return Reopen.RETURNED

    def _missing(self) -> list[str]:
        """What the look is to find for it to be worth opening the device again."""
        info = self._slot.info
        missing = [f"wanted_{kind}" for kind in ("input", "output") if info.get(f"fallback_{kind}")]
        if not info.get("input"):
            missing.append("input")
        if not info.get("output") or self._playing.lost or not self.hearing.output:
            missing.append("output")
        return missing

    # -- what is said of it ----------------------------------------------------------------------

    async def _show(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(LOOK_S)

    def _tell(self) -> None:
        """To the keeper and to everybody, when something has changed."""
        state = self.state()
        now = (state.input, state.input_state, state.output, state.output_state, state.note)
        if now == self._said:
            return
        before, self._said = self._said, now
        recovered = self._recovered(state)
        if not state.note:
            self._ctx.ready()
        elif self._ever:
            self._ctx.degraded(state.note)
        else:
            self._ctx.ready(note=state.note)
        if before or state.input or state.output:
            self._ctx.publish(DeviceChanged(device=state, recovered_s=recovered))

    def _recovered(self, state: DeviceState) -> float | None:
        if state.input_state == "healthy":
            lost_at, self._lost_at = self._lost_at, None
            return None if lost_at is None else round(time.monotonic() - lost_at, 3)
        if self._lost_at is None and self._ever and state.input_state != "starting":
            self._lost_at = time.monotonic()
        return None

    def state(self) -> DeviceState:
        info, hearing = self._slot.info, self.hearing
        open_now = self._slot.engine is not None
        microphone = str(info.get("input", "")) if open_now else ""
        loudspeaker = str(info.get("output", "")) if open_now and hearing.output and not self._playing.lost else ""
        return DeviceState(
            source=SOURCE,
            input=microphone,
            input_state=hearing.health if microphone else "missing",
            input_fallback=bool(microphone and info.get("fallback_input")),
            output=loudspeaker,
            output_state="ready" if loudspeaker else "missing",
            output_fallback=bool(loudspeaker and info.get("fallback_output")),
            echo=str(info.get("echo", "off")),
            frame_age_ms=round(hearing.age_s() * 1000, 1),
            drift_ppm=hearing.drift.ppm,
            lost=hearing.counts.lost,
            xruns=hearing.counts.xruns,
            bad=hearing.counts.bad,
            reopened=hearing.counts.reopened,
            note=self._note(microphone, loudspeaker),
        )

    def _note(self, microphone: str, loudspeaker: str) -> str:
        if self._slot.engine is None:
            return self._problem or "the sound device is being opened again"
        info, drift = self._slot.info, self.hearing.drift.ppm
        if not microphone:
            return "there is no microphone: it is looked for"
        if self.hearing.health == "stalled":
            return f"{microphone} delivers nothing: it is opened again"
        if self.hearing.health == "silent":
            return f"{microphone} is silent as no room is: is it switched off?"
        if not loudspeaker:
            return "there is no loudspeaker, so answers are not heard: it is looked for"
        if info.get("fallback_input"):
            return f"{microphone} stands in until the wanted microphone is back"
        if info.get("fallback_output"):
            return f"{loudspeaker} stands in until the wanted loudspeaker is back"
        if drift is not None and abs(drift) > _DRIFT_PPM:
            return f"the clock of {microphone} is off by {drift:g} ppm: speech is recognised badly"
        return ""

    async def describe(self, _: DescribeDevice) -> DeviceState:
        return self.state()

    def engine_state(self) -> EngineState | None:
        engine = self._slot.engine
        if engine is None:
            return None
        known, state = engine.state(), self.state()
        figures = state.model_dump(exclude={"source", "note", "input", "output", "echo"})
        return known.model_copy(update={"info": known.info | figures})
