"""Recognisers side by side on the same clips: words they get wrong, slots they find, and what it costs.

Each has a process of its own and two threads; they take turns, clip by clip, so that all see the same machine.
`TEST_SPEECH_DIR` names a folder of recordings with a `manifest.json` (`kind: command`, `slots`); without it there is
only speech made with the packaged voice.
"""

from __future__ import annotations

import json
import os
import statistics
import time
import wave
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.bench import questions, stt_scores
from tests.contract.child import Child
from tests.contract.speech import say

THREADS = 2
ENGINES = {
    "bare faster-whisper": "tests.bench.bare_whisper:BareWhisper",
    "Solo's faster-whisper": "services.stt.adapters.faster_whisper:FasterWhisper",
    "Moonshine": "services.stt.adapters.moonshine.adapter:Moonshine",
}
TEXTS = (
    *questions.TEXTS,
    "Stop.",
    "Turn the volume up.",
    "Set a timer for ten minutes.",
    "Wake me up at seven tomorrow morning.",
    "Turn off the lights in the kitchen.",
    "Remind me to call my mother on Sunday.",
    "What is twelve times fifteen?",
    "Play the next song.",
    "Cancel the alarm.",
    "How far is it from London to Paris?",
    "Add milk and bread to the shopping list.",
    "What did I say about the car last week?",
    "Write a short letter to my landlord about the broken heating.",
    "Is it going to rain this afternoon?",
    "Translate good morning into French.",
)


@dataclass
class Clip:
    pcm: bytes
    said: str = ""
    slots: tuple[str, ...] = ()


@dataclass
class Score:
    times: list[float] = field(default_factory=list)
    processor: float = 0.0
    said: int = 0
    wrong: int = 0
    lost: int = 0
    slots: int = 0
    found: int = 0

    def add(self, clip: Clip, text: str, took: float) -> None:
        self.times.append(took)
        heard = stt_scores.words(text)
        if clip.said:
            said = stt_scores.words(clip.said)
            self.said += len(said)
            self.wrong += stt_scores.errors(said, heard)
            self.lost += stt_scores.lost_ends(said, heard)
        self.slots += len(clip.slots)
        self.found += sum(stt_scores.found(slot, heard) for slot in clip.slots)


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    sets = {"our own clips": _made()} | ({"recordings": _recorded()} if "TEST_SPEECH_DIR" in os.environ else {})
    with ExitStack() as stack:
        children = {name: stack.enter_context(Child(adapter, threads=THREADS)) for name, adapter in ENGINES.items()}
        for title, clips in sets.items():
            scores = {name: Score() for name in ENGINES}
            for name, child in children.items():
                child("transcribe", clips[0].pcm)  # warms up
                scores[name].processor -= _processor_s(child)
            for clip in clips:
                for name, child in children.items():
                    began = time.perf_counter()
                    text = child("transcribe", clip.pcm)["text"]
                    scores[name].add(clip, text, time.perf_counter() - began)
            for name, child in children.items():
                scores[name].processor += _processor_s(child)
            figures |= _shown(title, clips, scores)
        for name, child in children.items():
            figures[f"{name}, resident MiB"] = psutil.Process(child.pid).memory_info().rss >> 20
    return figures


def _shown(title: str, clips: list[Clip], scores: dict[str, Score]) -> dict[str, Any]:
    bare = statistics.median(next(iter(scores.values())).times)
    seconds = [len(clip.pcm) / 32_000 for clip in clips]
    figures: dict[str, Any] = {f"{title}": f"{len(clips)}, median {statistics.median(seconds):.1f} s"}
    for name, score in scores.items():
        middle = statistics.median(score.times)
        ordered = sorted(score.times)
        parts = [
            f"median {middle * 1000:.0f} ms ({middle / bare:.2f} of bare)",
            f"p90 {ordered[int(0.9 * len(ordered))] * 1000:.0f} ms",
            f"processor {score.processor / len(clips) * 1000:.0f} ms a clip",
        ]
        if score.said:
            parts.append(f"{score.wrong / score.said:.1%} of {score.said} words wrong")
            parts.append(f"{score.lost} first or last words lost")
        if score.slots:
            parts.append(f"{score.found / score.slots:.1%} of {score.slots} slots found")
        figures[f"{title}: {name}"] = ", ".join(parts)
    return figures


def _made() -> list[Clip]:
    """As the ear cuts an utterance: a little silence on both sides."""
    silence = bytes(9600)
    return [Clip(silence + say(text) + silence, said=text) for text in TEXTS]


def _recorded() -> list[Clip]:
    folder = Path(os.environ["TEST_SPEECH_DIR"])
    clips = []
    for entry in json.loads((folder / "manifest.json").read_text()):
        if entry["kind"] == "command":
            with wave.open(str(folder / entry["file"])) as file:
                clips.append(Clip(file.readframes(file.getnframes()), slots=tuple(entry["slots"]["slots"].values())))
    return clips


def _processor_s(child: Child) -> float:
    times = psutil.Process(child.pid).cpu_times()
    return float(times.user + times.system)
