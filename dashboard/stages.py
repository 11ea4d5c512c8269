"""The waterfall: where the time of each turn went, from cumulative stamps to stacked bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.look import STAGES
from dashboard.status import Latency, Turn
from dashboard.units import NONE, clip, clock, milliseconds

SHOWN = 10
"""Turns in the chart: more make the bars too thin to compare."""
_ROOM = 1.22
"""Axis length relative to the longest bar, so that the label after it fits."""


@dataclass(frozen=True)
class Stage:
    """One stretch of a turn; `start` and `end` in milliseconds from the last speech sample or from the request."""

    name: str
    start: float
    end: float


def stages(latency: Latency) -> list[Stage]:
    """The turn's stages in order, leaving out those that did not happen.

    Stages overlap in the daemon (a transcript may be ready before the end of speech is certain): such a stage costs the
    person nothing, so only what it adds after the one before is drawn.
    """
    stamps = (latency.end_of_turn, latency.transcript, latency.first_token, latency.first_audio)
    found: list[Stage] = []
    reached = 0.0
    for name, stamp in zip(STAGES, stamps, strict=True):
        if stamp is None:
            continue
        if stamp > reached:
            found.append(Stage(name, reached, stamp))
            reached = stamp
    return found


def result(turn: Turn) -> str:
    """The number that counts for this turn, in words: voice-to-voice where there was voice at both ends."""
    latency = turn.latency_ms
    if turn.outcome == "failed":
        return "failed"
    if latency.voice_to_voice is not None:
        return f"{milliseconds(latency.voice_to_voice)} voice to voice"
    if latency.first_audio is not None:
        return f"{milliseconds(latency.first_audio)} to first audio"
    if latency.first_token is not None:
        return f"{milliseconds(latency.first_token)} to first token"
    return turn.outcome.replace("_", " ")


def chart_rows(turns: Sequence[Turn], now: datetime) -> list[dict[str, Any]]:
    """Rows for `SPEC`, newest turn on top: one per stage, one per turn for its label, one to keep room at the right."""
    rows: list[dict[str, Any]] = []
    longest = 0.0
    drawn = [(turn, parts) for turn in turns if (parts := stages(turn.latency_ms))][:SHOWN]
    for place, (turn, parts) in enumerate(drawn):
        # Sorted by the number in front, which the axis then hides: two turns may share second and words.
        row = f"{place:02d}\t{clock(turn.at, now)}  {clip(turn.heard or turn.source or NONE, 22)}"
        voice = turn.latency_ms.voice_to_voice
        for part in parts:
            took = milliseconds(part.end - part.start)
            rows.append(_row(row, part.name, part.start, part.end, took=took, until=milliseconds(part.end)))
        end = max(parts[-1].end, voice or 0.0)
        # Next to its mark the number needs no words; the caption above the chart has them.
        label = milliseconds(voice) if voice is not None and turn.outcome != "failed" else result(turn)
        rows.append(_row(row, None, voice, end, label=label))
        longest = max(longest, end)
    if rows:
        rows.append(_row(rows[0]["turn"], None, None, longest * _ROOM, label=""))
    return rows


def count_drawn(rows: Sequence[dict[str, Any]]) -> int:
    """How many turns these rows draw."""
    return len({row["turn"] for row in rows})


def voices(turns: Sequence[Turn]) -> list[float]:
    """Voice-to-voice in milliseconds of the turns that had voice at both ends, oldest first."""
    return [turn.latency_ms.voice_to_voice for turn in reversed(turns) if turn.latency_ms.voice_to_voice is not None]


def speeds(turns: Sequence[Turn]) -> list[float]:
    """Tokens per second of the turns that generated some, oldest first."""
    return [turn.tokens.per_second for turn in reversed(turns) if turn.tokens and turn.tokens.per_second is not None]


def _row(
    turn: str, stage: str | None, start: float | None, end: float, *, label: str = "", took: str = "", until: str = ""
) -> dict[str, Any]:
    return {"turn": turn, "stage": stage, "start": start, "end": end, "label": label, "took": took, "until": until}


def spec(height: int) -> dict[str, Any]:
    """Vega-Lite for `chart_rows`; without data inside, so that a refresh changes rows in place and redraws nothing."""
    y = {
        "field": "turn",
        "type": "nominal",
        "sort": "ascending",
        "title": None,
        "axis": {"labelExpr": "split(datum.label, '\\t')[1]", "labelLimit": 210, "ticks": False, "domain": False},
    }
    bar = {
        "transform": [{"filter": "datum.stage !== null"}],
        "mark": {"type": "bar", "height": 15, "cornerRadius": 2},
        "encoding": {
            "x": {"field": "start", "type": "quantitative"},
            "x2": {"field": "end"},
            "color": {
                "field": "stage",
                "type": "nominal",
                "scale": {"domain": list(STAGES), "range": list(STAGES.values())},
                "legend": {"title": None, "orient": "top", "direction": "horizontal", "columns": 2},
            },
            "tooltip": [
                {"field": "stage", "type": "nominal", "title": "Stage"},
                {"field": "took", "type": "nominal", "title": "Took"},
                {"field": "until", "type": "nominal", "title": "Done after"},
            ],
        },
    }
    tick = {
        "transform": [{"filter": "datum.stage === null && datum.start !== null"}],
        "mark": {"type": "tick", "thickness": 2, "height": 21, "color": "#8b8f98"},
        "encoding": {"x": {"field": "start", "type": "quantitative"}},
    }
    text = {
        "transform": [{"filter": "datum.stage === null"}],
        "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 12, "fontWeight": 600, "color": "#8b8f98"},
        "encoding": {
            "x": {
                "field": "end",
                "type": "quantitative",
                "title": None,
                "axis": {"tickCount": 5, "format": ".0f", "labelExpr": "datum.label + ' ms'"},
                "scale": {"nice": False, "zero": True},
            },
            "text": {"field": "label", "type": "nominal"},
        },
    }
    return {"height": height, "encoding": {"y": y}, "layer": [bar, tick, text]}
