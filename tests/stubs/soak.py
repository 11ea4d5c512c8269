"""Thousands of simulated turns on a few devices, with everything that may happen to them, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil

from services.api.recent import RecentTurns
from services.blackbox.cutting import Cut
from services.blackbox.invariants import Watch
from services.blackbox.monitor import InvariantsService, Tally
from services.blackbox.service import BlackBoxService, Counts
from services.blackbox.shelf import Limits, Shelf
from services.messages.audio import DescribeSources, WakeWordHeard
from services.messages.conversation import Ask, TurnFinished, TurnStarted
from services.messages.invariants import InvariantViolated
from services.messages.skills import MatchSkill, RunSkill
from services.messages.turntaking import ListenNow
from services.skills.adapters.hassil_templates import HassilCompiler
from services.skills.doing.hands import WallTime
from services.skills.languages.en.english import English
from services.skills.service import Policy, SkillsService
from services.skills.timers.store import TimerStore
from services.skills.timers.timer import Clock
from solo.bus import Bus, Event, Overflow
from solo.errors import SoloError
from solo.isolation.engine import EngineDied
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import Context, ServiceSpec
from tests.stubs.services import House, spec, supervised
from tests.stubs.voice_house import RATE, SPEECH, WAKE, Engines, Satellite, ask, house, sound, until_gone

IDLE_WITHIN_S = 400.0
"""Virtual seconds after which a device that is still busy is stuck: more than any budget of the monitor."""
SAID = (
    "What is the capital of France?", "Okay nabu, what is the capital of France?", "Tell me a long story about a fox.",
    "Okay nabu.", "Stop.", "mhm", "And in Spain?", "", "Please, what is two and two?",
    "What is twelve times nine?", "Say that again.", "Louder.",
)  # fmt: skip
ANSWERS = (
    "Sure, Paris is the capital of France. It lies on the Seine. It is old.",
    "Yes.",
    "Once upon a time there was a fox, who lived in a wood. One day he met a hen. What do you think, did they talk?",
)
PIECE = RATE * 80 // 1000


@dataclass
class Report:
    """What came of it."""

    turns: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    wakes: int = 0
    stuck: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    rss: list[tuple[int, int]] = field(default_factory=list)
    """(turns, bytes) at each rest."""
    tasks: list[tuple[int, int]] = field(default_factory=list)
    mailboxes: list[tuple[int, int]] = field(default_factory=list)
    waiting: list[tuple[int, int]] = field(default_factory=list)
    """Messages in mailboxes at each rest."""
    restarts: Counter[str] = field(default_factory=Counter)

    def grew(self, figures: list[tuple[int, int]]) -> float:
        """A turn, from the first rest after the warm-up to the last."""
        (begin, first), (end, last) = figures[min(1, len(figures) - 2)], figures[-1]
        return (last - first) / max(1, end - begin)


class Mishaps:
    """What befalls the engines, one in so many steps."""

    def __init__(self, rng: random.Random, report: Report) -> None:
        self._rng = rng
        self._report = report

    async def stumble(self, engine: str) -> None:
        dice = self._rng.random() * (1 if engine != "vad" else 20)  # it is asked so much more often
        if dice < 0.002:
            self._report.happened[f"{engine} died"] += 1
            raise EngineDied(f"the engine {engine} was killed")
        if dice < 0.0022:
            self._report.happened[f"{engine} crashed"] += 1
            raise RuntimeError(f"a bug in {engine}")
        if dice < 0.006:
            self._report.happened[f"{engine} slow"] += 1
            await asyncio.sleep(self._rng.uniform(0.5, 8.0))


class Varied(Engines):
    """Says and understands something else every time."""

    def __init__(self, rng: random.Random, report: Report) -> None:
        super().__init__(stumbles=Mishaps(rng, report).stumble)
        self._rng = rng

    async def transcribe(self, question: Any) -> Any:
        self.transcript = self._rng.choice(SAID)
        return await super().transcribe(question)

    async def complete(self, question: Any) -> Any:
        if not question.prefix:
            self.answer = self._rng.choice(ANSWERS)
        async for part in super().complete(question):
            yield part


@dataclass
class Device:
    """One satellite that things happen to; it goes and comes back."""

    bus: Bus
    rng: random.Random
    report: Report
    satellite: Satellite
    open: dict[str, str]
    """Turns under way, by id: their source."""
    _task: asyncio.Task[None] | None = None

    async def attach(self) -> None:
        self._task = asyncio.create_task(self.satellite.run())
        await asyncio.sleep(0.3)

    async def lose(self) -> None:
        """Unplugged, and plugged in again later: another satellite of the same name."""
        assert self._task is not None
        await until_gone(self._task)
        await asyncio.sleep(self.rng.uniform(0.05, 3.0))
        old = self.satellite
        self.satellite = Satellite(
            self.bus, old.source, old.wake, old.again, old.barge_in, room=old.room, piece=old.piece
        )
        await self.attach()

    async def scene(self) -> None:
        """One thing that a person does, until the device is idle again."""
        scenes: list[Callable[[], Awaitable[None]]] = [
            self._asks, self._asks, self._hesitates, self._says_nothing, self._wakes_over_it, self._talks_over_it,
            self._is_unplugged, self._ends, self._types, self._presses,
        ]  # fmt: skip
        chosen = self.rng.choice(scenes)
        self.report.happened[chosen.__name__] += 1
        await chosen()
        if not await self._is_idle():
            self.report.stuck.append(f"{self.satellite.source} after {chosen.__name__}: {await self._state()}")
            await self.lose()

    def _question(self, seconds: float | None = None) -> bytes:
        return ask(
            self.rng.uniform(0.4, 3.0) if seconds is None else seconds,
            wake=self.satellite.wake,
            gap_s=self.rng.uniform(0.1, 1.5),
        )

    async def _asks(self) -> None:
        self.satellite.say(self._question())
        await self.satellite.heard_out()

    async def _hesitates(self) -> None:
        pause = sound(self.rng.uniform(0.1, 0.9), 0)
        self.satellite.say(self._question()[: -int(1.2 * RATE) * 2] + pause + sound(0.8, SPEECH) + sound(1.5, 0))
        await self.satellite.heard_out()

    async def _says_nothing(self) -> None:
        self.satellite.say(sound(0.3, 0) + sound(0.4, WAKE) + sound(7, 0))
        await self.satellite.heard_out()

    async def _wakes_over_it(self) -> None:
        await self._asks()
        await asyncio.sleep(self.rng.uniform(0.0, 3.0))
        await self._asks()

    async def _talks_over_it(self) -> None:
        await self._asks()
        await asyncio.sleep(self.rng.uniform(0.0, 3.0))
        self.satellite.say(sound(self.rng.uniform(0.1, 2.0), SPEECH) + sound(1.5, 0))
        await self.satellite.heard_out()

    async def _is_unplugged(self) -> None:
        self.satellite.say(self._question())
        await asyncio.sleep(self.rng.uniform(0.0, 8.0))
        await self.lose()

    async def _ends(self) -> None:
        self.satellite.say(self._question())
        await asyncio.sleep(self.rng.uniform(0.0, 6.0))
        self.satellite.end()
        await self._is_idle()
        await self.lose()

    async def _types(self) -> None:
        """A typed question that is answered aloud; its asker may leave."""
        question = Ask(text="Where is Paris?", speak_to=self.satellite.source)
        with suppress(SoloError, TimeoutError):
            async with asyncio.timeout(self.rng.choice([0.5, 3.0, 200.0])):
                async with self.bus.stream(question, within=200, by="api") as parts:
                    async for _ in parts:
                        pass

    async def _presses(self) -> None:
        self.bus.publish(ListenNow(source=self.satellite.source), by="api")
        self.satellite.say(sound(self.rng.uniform(0.3, 2.0), SPEECH) + sound(1.5, 0))
        await self.satellite.heard_out()

    async def _is_idle(self) -> bool:
        """Twice in a row: nothing is being answered, said or listened to."""
        end = asyncio.get_running_loop().time() + IDLE_WITHIN_S
        quiet = 0
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.5)
            quiet = quiet + 1 if await self._state() in {"idle", "gone"} else 0
            if quiet >= 2:
                return True
        return False

    async def _state(self) -> str:
        turns = [turn for turn, source in self.open.items() if source == self.satellite.source]
        if turns:
            return f"turn {turns[0]} goes on"
        try:
            known = await self.bus.request(DescribeSources(), within=60)
        except SoloError as error:
            return f"nobody says: {error.code}"
        state = next((one.state for one in known if one.source == self.satellite.source), "gone")
        resting = {"waiting for wake word", "closed"} | (set() if self.satellite.wake else {"listening"})
        return "idle" if state in resting else state


async def _follow(bus: Bus, report: Report, open_turns: dict[str, str]) -> None:
    async with bus.subscribe(Event, limit=200_000, overflow=Overflow.FAIL, owner="soak") as facts:
        async for fact in facts:
            if isinstance(fact, TurnStarted) and fact.turn_id is not None:
                open_turns[fact.turn_id] = fact.source
            elif isinstance(fact, TurnFinished):
                open_turns.pop(fact.summary.turn_id, None)
                report.turns += 1
                report.outcomes[fact.summary.outcome] += 1
                if fact.summary.skill is not None:
                    report.happened["skill answered"] += 1
            elif isinstance(fact, WakeWordHeard):
                report.wakes += 1
            elif isinstance(fact, InvariantViolated):
                report.violations.append(f"{fact.invariant} of {fact.source}: {fact.detail} ({fact.healed})")


class _Sampling(Shelf):
    """Every turn is recorded and cut out; one in twenty is written too, which takes longer than the turn."""

    cuts = 0

    def put(self, cut: Cut) -> None:
        self.cuts += 1
        if self.cuts % 20 == 1:
            super().put(cut)


@asynccontextmanager
async def furnished(bus: Bus, engines: Engines, folder: Path, seed: int) -> AsyncIterator[House]:
    recent = RecentTurns()

    async def follow(ctx: Context) -> None:
        ctx.ready()
        await recent.follow(ctx)

    async def at_once(work: Callable[..., Any], *given: Any) -> Any:
        return work(*given)

    def skills() -> SkillsService:
        zone = WallTime(ZoneInfo("UTC"))
        policy = Policy(English(), HassilCompiler(), folder / "skills", 3600.0, zone, 3, 4.0, off_loop=at_once)
        return SkillsService(policy, TimerStore(Database(1)), Clock.of_this_machine())

    shelf = _Sampling(folder, Limits(3, 10**7, 3600))
    tally, counts = Tally(), Counts()
    specs = [
        ServiceSpec(name="blackbox", make=lambda: BlackBoxService(shelf, counts, at_once)),
        ServiceSpec(name="invariants", make=lambda: InvariantsService(Watch(), tally)),
        ServiceSpec(name="skills", make=skills, answers=(MatchSkill, RunSkill)),
        spec("recent", follow),
        *house(bus, engines, MachineSettings(state_dir=folder, _env_file=None)),
    ]
    async with supervised(bus, *specs, seed=seed) as running:
        await asyncio.sleep(1)
        yield running


async def soak(turns: int, seed: int, folder: Path, told: Callable[[str], None] = lambda _: None) -> Report:
    """At least so many turns."""
    bus, report, open_turns = Bus(), Report(), dict[str, str]()
    rng = random.Random(seed)
    async with furnished(bus, Varied(rng, report), folder, seed) as running:
        following = asyncio.create_task(_follow(bus, report, open_turns))
        satellites = [
            Satellite(bus, "kitchen", wake=True, barge_in=True, piece=PIECE),
            Satellite(bus, "hall", wake=True, piece=PIECE),
            Satellite(bus, "desk", wake=False, again=True, barge_in=True, piece=PIECE),
        ]
        devices = [Device(bus, rng, report, satellite, open_turns) for satellite in satellites]
        for device in devices:
            await device.attach()
        each = max(25, turns // 40)
        rest = 0
        while report.turns < turns:
            rest += each
            await asyncio.gather(*(_play(device, report, rest) for device in devices))
            await asyncio.sleep(30)
            _measure(bus, report)
            told(f"{report.turns} turns, {report.grew(report.rss):.0f} bytes a turn, {len(report.stuck)} stuck, "
                 f"{len(report.violations)} violations")  # fmt: skip
        for service in running.supervisor.services():
            report.restarts[service.name] = service.restarts
        for device in devices:
            assert device._task is not None
            await until_gone(device._task)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return report


async def _play(device: Device, report: Report, turns: int) -> None:
    while report.turns < turns:
        await device.scene()
        await asyncio.sleep(device.rng.uniform(0.0, 1.0))


def _measure(bus: Bus, report: Report) -> None:
    gc.collect()
    statistics = bus.statistics()
    report.rss.append((report.turns, psutil.Process().memory_info().rss))
    report.tasks.append((report.turns, len(asyncio.all_tasks())))
    report.mailboxes.append((report.turns, len(statistics.mailboxes)))
    report.waiting.append((report.turns, sum(box.waiting for box in statistics.mailboxes)))
