"""Skills: how long it takes to say whether words are understood, over both tables of sentences, and compiling once."""

from __future__ import annotations

import statistics
import time
from typing import Any

from services.skills.adapters.hassil_templates import HassilCompiler
from services.skills.languages.en.english import English
from services.skills.matching import Matcher
from tests.skill_sentences import LEFT_ALONE, UNDERSTOOD

ROUNDS = 10


def measure() -> dict[str, Any]:
    began, worked = time.perf_counter(), time.thread_time()
    matcher = Matcher(English(), HassilCompiler())
    figures: dict[str, Any] = {
        "sentences": len(UNDERSTOOD) + len(LEFT_ALONE),
        "import and compile, s of the clock": round(time.perf_counter() - began, 3),
        "import and compile, s of a processor": round(time.thread_time() - worked, 3),
    }
    everything: list[tuple[float, float]] = []
    for name, sentences in {"understood": [row[0] for row in UNDERSTOOD], "left to the model": LEFT_ALONE}.items():
        took = [one for sentence in sentences for one in _took(matcher, sentence)]
        figures |= _figures(name, took)
        everything += took
    return {**figures, **_figures("all", everything)}


def _took(matcher: Matcher, sentence: str) -> list[tuple[float, float]]:
    """Milliseconds of each match by the clock, in which a busy machine does other things too, and of a processor."""
    found = []
    for _ in range(ROUNDS):
        began, worked = time.perf_counter(), time.thread_time()
        matcher.match(sentence)
        found.append(((time.perf_counter() - began) * 1000, (time.thread_time() - worked) * 1000))
    return found


def _figures(name: str, took: list[tuple[float, float]]) -> dict[str, Any]:
    figures = {}
    for what, times in zip(("clock", "processor"), zip(*took, strict=True), strict=True):
        p99 = statistics.quantiles(times, n=100)[98]
        figures[f"{name}, ms of the {what}: median, p99, worst"] = (
            f"{statistics.median(times):.2f}, {p99:.2f}, {max(times):.2f}"
        )
    return figures
