"""Plays a recording: the live services run on a bus in virtual time, and hear and are asked what they were."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from solo.bus import Bus
from solo.bus.tap import CANCELLED, Published, Tap
from solo.errors import SoloError
from solo.replay import kinds
from solo.replay.bundle import BadBundle, Bundle, CallLine, EventLine, plain
from solo.replay.comparing import differences, told
from solo.replay.players import players, spec
from solo.replay.sounds import Sounds
from solo.supervision import ServiceSpec, Supervisor
from solo.virtual_time import EverybodyWaits, VirtualTimeLoop

_STARTS_S = 1.0
"""Virtual seconds that the services have to start before the first thing happens."""
_SETTLES_S = 5.0
"""Virtual seconds that what should have happened may be late."""
_WITHIN_S = 86_400.0
_MOST_SEEN = 1_000_000


@dataclass(frozen=True, slots=True)
class Replayed:
    recorded: list[str]
    """What the live services said when the recording was made."""
    replayed: list[str]
    """What they say now."""
    facts: list[tuple[float, str, dict[str, Any]]]
    """The same as data: seconds from the beginning, kind, fields."""
    unlike: int
    """Questions that were put in other words than when the recording was made."""

    @property
    def differences(self) -> list[str]:
        return differences(self.recorded, self.replayed)


def replay(bundle: Bundle, live: Sequence[ServiceSpec]) -> Replayed:
    """Takes as long as the computing does. Raises BadBundle."""
    if bundle.manifest.missing:
        raise BadBundle(f"this recording cannot be played again: {bundle.manifest.missing}")
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(_Stage(bundle, live).run())
    except EverybodyWaits as error:
        raise BadBundle(f"this recording cannot be played again: {error}") from error
    except (ValueError, LookupError) as error:
        raise BadBundle(f"a line of the recording is no message of this Solo: {error}") from error


class _Stage:
    def __init__(self, bundle: Bundle, live: Sequence[ServiceSpec]) -> None:
        self._bundle = bundle
        self._specs = live
        self._live = set(bundle.manifest.live)
        self._bus = Bus()
        self._known = kinds.known()

    async def run(self) -> Replayed:
        calls = [line for line in self._bundle.lines if isinstance(line, CallLine)]
        played = players(
            [call for call in calls if call.by in self._live and call.of not in self._live], self._bundle.sounds
        )
        supervisor = Supervisor([spec(played), *self._specs], self._bus, rng=random.Random(1))
        stop, stop_now = asyncio.Event(), asyncio.Event()
        with self._bus.tapped(_MOST_SEEN) as tap:
            running = asyncio.create_task(supervisor.run(stop, stop_now), name="replay: supervisor")
            begin = asyncio.get_running_loop().time() + _STARTS_S
            asking = [
                asyncio.create_task(self._ask(call, begin), name=f"replay: {call.kind}")
                for call in calls
                if call.by not in self._live and call.of in self._live and call.kind in self._known
            ]
            await self._tell(begin)
            await _until(begin + max([self._bundle.manifest.seconds, *(line.t for line in self._bundle.lines)]))
            await asyncio.sleep(_SETTLES_S)
            seen = await self._seen(tap, begin)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            stop.set()
            await asyncio.wait([running], timeout=60.0)
            stop_now.set()
            await running
        return Replayed(
            recorded=told(self._recorded(), self._bundle.sounds),
            replayed=told(((by, kind, fields) for _, by, kind, fields in seen[0]), seen[1]),
            facts=[(at, kind, fields) for at, _, kind, fields in seen[0]],
            unlike=sum(player.unlike for player in played),
        )

    async def _tell(self, begin: float) -> None:
        """What others said, when they did."""
        for line in self._bundle.lines:
            if isinstance(line, EventLine) and line.by not in self._live and line.kind in self._known:
                await _until(begin + line.t)
                self._bus.publish(self._made(line.kind, line.data), by=line.by)

    async def _ask(self, call: CallLine, begin: float) -> None:
        """What others asked the live services: answered when they answer, left when it was left."""
        await _until(begin + call.t)
        left = begin + call.ended if call.ended is not None and call.error == CANCELLED else None
        question = self._made(call.kind, call.data)
        try:
            async with asyncio.timeout_at(left):
                if kinds.is_stream(self._known[call.kind]):
                    await self._take(question, call, begin)
                else:
                    await self._bus.request(question, within=_WITHIN_S, by=call.by)
        except (TimeoutError, SoloError):
            return  # it shows in what the live services say, or it does not matter

    async def _take(self, question: Any, call: CallLine, begin: float) -> None:
        """At the pace at which it was taken."""
        taken = iter(call.taken)
        async with self._bus.stream(question, within=_WITHIN_S, by=call.by) as answers:
            while True:
                at = next(taken, None)
                if at is not None:
                    await _until(begin + at)
                try:
                    await anext(answers)
                except StopAsyncIteration:
                    break

    def _made(self, kind: str, data: dict[str, Any]) -> Any:
        return kinds.message(self._known[kind], data, self._bundle.sounds)

    def _recorded(self) -> Iterable[tuple[str, str, dict[str, Any]]]:
        for line in self._bundle.lines:
            if isinstance(line, EventLine) and self._compared(line.by, line.kind):
                yield line.by, line.kind, line.data

    async def _seen(
        self, tap: Tap, begin: float
    ) -> tuple[list[tuple[float, str, str, dict[str, Any]]], dict[str, bytes]]:
        """Facts of the live services, with the sounds in them."""
        sounds = Sounds()
        facts = [
            (one.at - begin, one.by, type(one.event).__name__, plain(one.event, sounds))
            for one in await tap.some()
            if isinstance(one, Published) and self._compared(one.by, type(one.event).__name__)
        ]
        return facts, {name: bytes(book) for name, book in sounds.books.items()}

    def _compared(self, by: str, kind: str) -> bool:
        return by in self._live and kind not in self._bundle.manifest.bulk


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))


def chosen(specs: Sequence[ServiceSpec], live: Collection[str]) -> list[ServiceSpec]:
    """Those of the live services."""
    return [one for one in specs if one.name in live]
