"""Voice-to-voice of the embedded default, beside the sum of the bare engines' own times in the same run."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from services.conversation.spec import ConversationSettings
from tests.bench.questions import questions
from tests.daemon import daemon

ROUNDS = 2
_POINTS = ("end_of_turn", "transcript", "recalled", "first_token", "first_audio", "voice_to_voice")


def measure() -> dict[str, Any]:
    asked = questions()
    turns: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        with daemon(Path(folder) / "state") as running:
            for round_ in range(ROUNDS + 1):
                for index, (_, pcm) in enumerate(asked):
                    start = {"wake": False, "talk": f"bench-{round_}-{index}"}
                    turn = asyncio.run(running.client.voice(start, pcm)).turn
                    if round_:  # the first round warms up
                        turns.append(turn)
            loop = running.status()["loop"]
        bare_times = bare(Path(folder), asked, ConversationSettings().system_prompt)
    answered = [turn for turn in turns if turn["latency_ms"]["voice_to_voice"] is not None]
    figures: dict[str, Any] = {"turns answered": f"{len(answered)} of {len(turns)}"}
    medians = {point: statistics.median(turn["latency_ms"][point] for turn in answered) for point in _POINTS}
    for point in _POINTS:
        figures[f"Solo {point}, median ms after the last speech sample"] = round(medians[point])
    ordered = sorted(turn["latency_ms"]["voice_to_voice"] for turn in answered)
    figures["Solo voice_to_voice, p90 ms"] = round(ordered[int(len(ordered) * 0.9)])
    wait = medians["end_of_turn"]
    total = wait
    figures["end-of-speech wait, ms"] = round(wait)
    for engine, times in bare_times.items():
        own = statistics.median(item["seconds"] for item in times) * 1000
        figures[f"bare {engine}, median ms"] = round(own)
        total += own
    figures["wait + bare engines, ms"] = round(total)
    figures["ratio (at most 1.2)"] = round(medians["voice_to_voice"] / total, 2)
    figures["loop held over 50 ms during the turns"] = loop["blocked"]
    figures["longest loop lag, ms"] = loop["max_lag_ms"]
    return figures


def bare(folder: Path, asked: list[tuple[str, bytes]], system: str) -> dict[str, list[dict[str, Any]]]:
    """By engine: what each took alone for each of these spoken questions, one after the other."""
    heard = _run(folder, "stt", [{"pcm": base64.b64encode(pcm).decode()} for _, pcm in asked])
    said = _run(folder, "llm", [{"system": system, "text": item["text"]} for item in heard])
    spoken = _run(folder, "tts", [{"clause": item["clause"]} for item in said])
    return {"stt": heard, "llm": said, "tts": spoken}


def _run(folder: Path, engine: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    path = folder / f"{engine}.json"
    path.write_text(json.dumps(items))
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bare", engine, str(path)], capture_output=True, text=True, check=True
    )
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer
