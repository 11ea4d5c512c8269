"""How soon commands are answered, and what becomes of speech over an answer, with real engines in real time."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import websockets

from services.messages.audio import SAMPLE_RATE
from tests.bench.spoken import Spoken, spoken
from tests.contract.speech import say
from tests.daemon import Daemon, daemon

COMMANDS = (
    "What time is it?",
    "Set a timer for ten minutes.",
    "What day is it today?",
    "Cancel the timer.",
    "What is twelve times seven?",
)
ROUNDS = 4
OVER = {
    "speech": ("interrupt", "Wait, what is the capital of Germany?"),
    "stop": ("interrupt", "Stop."),
    "agreement": ("resume", "Okay, yeah."),
    "echo": ("resume", ""),
}
"""What is said over an answer, and what should become of it; the echo is the answer itself, 12 dB softer."""
_STORY = "Tell me a short story about a cat."
_FRAME = 640
_WITHIN_S = 60.0


@dataclass
class Line:
    """A microphone that never stops, and what comes back."""

    socket: Any
    waiting: asyncio.Queue[tuple[bytes, asyncio.Future[float]]] = field(default_factory=asyncio.Queue)
    told: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    sound: list[tuple[float, bytes]] = field(default_factory=list)
    rate: int = 22_050

    async def speak(self, pcm: bytes) -> float:
        """When its first sample was captured."""
        began: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        await self.waiting.put((pcm, began))
        return await began

    async def until(self, kind: str, since: float, within: float = _WITHIN_S) -> dict[str, Any]:
        end = time.perf_counter() + within
        while time.perf_counter() < end:
            for at, message in self.told:
                if at >= since and message["type"] == kind:
                    return message
            await asyncio.sleep(0.005)
        raise TimeoutError(kind)

    async def first_sound(self, since: float) -> float:
        end = time.perf_counter() + _WITHIN_S
        while time.perf_counter() < end:
            if found := next((at for at, _ in self.sound if at >= since), None):
                return found
            await asyncio.sleep(0.002)
        raise TimeoutError("sound")

    async def microphone(self) -> None:
        began, count, pcm, at = time.perf_counter(), 0, b"", 0
        while True:
            if at >= len(pcm) and not self.waiting.empty():
                pcm, started = self.waiting.get_nowait()
                at = 0
                started.set_result(began + count * 0.02)
            piece = pcm[at : at + _FRAME].ljust(_FRAME, b"\0")
            at += _FRAME
            count += 1
            await asyncio.sleep(max(0.0, began + count * 0.02 - time.perf_counter()))
            await self.socket.send(piece)

    async def listen(self) -> None:
        async for message in self.socket:
            now = time.perf_counter()
            if isinstance(message, bytes):
                self.sound.append((now, message))
            else:
                said = json.loads(message)
                self.rate = said.get("sample_rate", self.rate) if said["type"] == "sound" else self.rate
                self.told.append((now, said))


@asynccontextmanager
async def conversation(running: Daemon) -> AsyncIterator[Line]:
    url = f"ws://127.0.0.1:{running.port}/ws/voice"
    headers = {"Authorization": f"Bearer {running.key}"}
    async with websockets.connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        start = {"type": "start", "mode": "conversation", "talk": f"bench-{time.time_ns()}", "barge_in": True}
        await socket.send(json.dumps(start))
        line = Line(socket)
        work = [asyncio.create_task(line.listen()), asyncio.create_task(line.microphone())]
        try:
            yield line
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder) / "state") as running:
        commands = asyncio.run(_commands(running, spoken(COMMANDS)))
        over = {name: asyncio.run(_over(running, name)) for name in OVER}
    figures: dict[str, Any] = {}
    figures["commands: heard"] = ", ".join(sorted({heard for heard, _, _ in commands}))
    times = sorted(ms for _, _, ms in commands)
    figures["commands: first sound after the last speech sample, median, p90, worst ms (300)"] = (
        f"{statistics.median(times):.0f}, {times[int(len(times) * 0.9)]:.0f}, {times[-1]:.0f} of {len(times)}"
    )
    for text in COMMANDS:
        own = [ms for _, asked, ms in commands if asked == text]
        figures[f"... {text}"] = round(statistics.median(own))
    paused = [one["paused_ms"] for found in over.values() for one in found if "paused_ms" in one]
    decided = [one["decided_ms"] for found in over.values() for one in found if "decided_ms" in one]
    for title, values, most in (("held", paused, 150), ("decided", decided, 500)):
        figures[f"speech over an answer: {title} after, median, worst ms ({most})"] = (
            f"{statistics.median(values):.0f}, {max(values):.0f} of {len(values)}"
        )
    for name, (wanted, _) in OVER.items():
        verdicts = Counter(f"{one.get('verdict', 'not noticed')} ({one.get('why', '')})" for one in over[name])
        right = sum(one.get("verdict") == wanted for one in over[name])
        figures[f"{name}: {wanted} wanted"] = f"{right} of {len(over[name])}: {dict(verdicts)}"
    return figures


async def _commands(running: Daemon, commands: list[Spoken]) -> list[tuple[str, str, float]]:
    found: list[tuple[str, str, float]] = []
    async with conversation(running) as line:
        for round_ in range(ROUNDS + 1):
            for command in commands:
                began = await line.speak(command.pcm)
                end = began + command.end / SAMPLE_RATE
                first = await line.first_sound(end - 1.0)
                turn = (await line.until("turn", end - 1.0))["turn"]
                if round_:  # the first round warms up
                    found.append((turn["heard"], command.text, (first - end) * 1000))
                await asyncio.sleep(1.0)
    return found


async def _over(running: Daemon, name: str) -> list[dict[str, Any]]:
    """Each time a story is begun, and two seconds into it somebody says this."""
    found: list[dict[str, Any]] = []
    for _ in range(ROUNDS + 1):
        async with _events(running) as facts, conversation(running) as line:
            asked = await line.speak(spoken((_STORY,))[0].pcm)
            first = await line.first_sound(asked)
            await asyncio.sleep(max(0.0, first + 2.0 - time.perf_counter()))
            facts.clear()
            await line.speak(_echo(line) if name == "echo" else say(OVER[name][1]))
            with suppress(TimeoutError):
                async with asyncio.timeout(4.0):
                    while not any(fact["kind"] == "BargeInDecided" for fact in facts):
                        await asyncio.sleep(0.02)
            one: dict[str, Any] = {}
            for fact in facts:
                if fact["kind"] == "BargeInStarted":
                    one.setdefault("paused_ms", fact["paused_ms"])
                elif fact["kind"] == "BargeInDecided" and "verdict" not in one:
                    one |= {key: fact[key] for key in ("verdict", "why", "decided_ms")}
            found.append(one)
    return found


def _echo(line: Line) -> bytes:
    """The next seconds of what is being played, as a microphone beside the loudspeaker hears it."""
    played = np.frombuffer(b"".join(pcm for _, pcm in line.sound), "<i2").astype(np.float32)
    heard = soxr.resample(played[int(2.1 * line.rate) : int(4.1 * line.rate)], line.rate, SAMPLE_RATE)
    return bytes((heard * 0.25).astype("<i2").tobytes())


@asynccontextmanager
async def _events(running: Daemon) -> AsyncIterator[list[dict[str, Any]]]:
    facts: list[dict[str, Any]] = []
    url = f"ws://127.0.0.1:{running.port}/ws/events"
    headers = {"Authorization": f"Bearer {running.key}"}

    async def follow(socket: Any) -> None:
        while True:
            facts.append(json.loads(await socket.recv()))

    async with websockets.connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        following = asyncio.create_task(follow(socket))
        try:
            yield facts
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
