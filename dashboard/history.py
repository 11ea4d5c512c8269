"""The course of the last day: what `GET /api/metrics` answers, and its rows and drawings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from dashboard.look import STAGES
from dashboard.units import clip, count, milliseconds, rate, size

HOURS = 24
VOICE, SPEED, MEMORY, ERRORS = "turn.voice_to_voice_ms", "turn.tokens_per_s", "engine.rss_bytes", "errors"
NAMES = (VOICE, SPEED, MEMORY, ERRORS)
_LONGEST_LABEL = 40
_MIB = 1024**2
_COLOURS = [*STAGES.values(), "#8b5cf6", "#ef4444", "#84cc16", "#ec4899"]
"""Those of the stages first; all are mid-tones that hold on white and on near-black."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Bucket(_Part):
    """One figure over one hour."""

    at: AwareDatetime
    count: int
    mean: float
    p50: float
    p95: float


class Series(_Part):
    """One figure with its labels."""

    name: str
    labels: dict[str, str] = {}
    buckets: tuple[Bucket, ...] = ()


class Answer(_Part):
    """What the route answers."""

    series: tuple[Series, ...]


def voice_rows(history: Sequence[Series]) -> list[dict[str, Any]]:
    """Median and 95th percentile of voice-to-voice, hour by hour."""
    rows = []
    for series in _named(history, VOICE):
        for bucket in series.buckets:
            for line, value in (("median", bucket.p50), ("95 of 100 below", bucket.p95)):
                rows.append(_row(bucket, line, value, f"{milliseconds(value)} of {count(bucket.count)} turns"))
    return rows


def speed_rows(history: Sequence[Series]) -> list[dict[str, Any]]:
    """Median decoding speed of each model."""
    return [
        _row(bucket, clip(series.labels.get("llm", "model"), _LONGEST_LABEL), bucket.p50, f"{rate(bucket.p50)}/s")
        for series in _named(history, SPEED)
        for bucket in series.buckets
    ]


def memory_rows(history: Sequence[Series]) -> list[dict[str, Any]]:
    """Mean resident memory of each engine, in MiB."""
    return [
        _row(
            bucket, clip(series.labels.get("service", "?"), _LONGEST_LABEL), bucket.mean / _MIB, size(int(bucket.mean))
        )
        for series in _named(history, MEMORY)
        for bucket in series.buckets
    ]


def error_rows(history: Sequence[Series]) -> list[dict[str, Any]]:
    """Errors of each code; those of one code in several places are stacked."""
    return [
        _row(bucket, clip(series.labels.get("code", "?"), _LONGEST_LABEL), bucket.count, _where(series, bucket))
        for series in _named(history, ERRORS)
        for bucket in series.buckets
    ]


def lines(height: int, unit: str) -> dict[str, Any]:
    """Vega-Lite for rows that are lines, without data inside: a refresh changes rows in place and redraws nothing."""
    return _drawing(height, unit, {"type": "line", "point": True, "strokeWidth": 2})


def bars(height: int) -> dict[str, Any]:
    """Vega-Lite for rows that are counted."""
    return _drawing(height, "", {"type": "bar", "width": {"band": 0.8}})


def _named(history: Sequence[Series], name: str) -> list[Series]:
    return [series for series in history if series.name == name]


def _row(bucket: Bucket, line: str, value: float, text: str) -> dict[str, Any]:
    return {"at": bucket.at.isoformat(), "line": line, "value": value, "text": text}


def _where(series: Series, bucket: Bucket) -> str:
    return f"{count(bucket.count)} in {clip(series.labels.get('where', '?'), _LONGEST_LABEL)}"


def _drawing(height: int, unit: str, mark: dict[str, Any]) -> dict[str, Any]:
    bars_ = mark["type"] == "bar"
    x: dict[str, Any] = {"field": "at", "type": "temporal", "title": None, "axis": {"format": "%H:%M", "tickCount": 6}}
    if bars_:
        x["timeUnit"] = "yearmonthdatehours"
    return {
        "height": height,
        "mark": mark,
        "encoding": {
            "x": x,
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "axis": {"tickCount": 4, "labelExpr": f"datum.label + '{unit}'"},
                "scale": {"zero": True},
                "stack": "zero" if bars_ else None,
            },
            "color": {
                "field": "line",
                "type": "nominal",
                "scale": {"range": _COLOURS},
                "legend": {"title": None, "orient": "top", "direction": "horizontal", "columns": 4},
            },
            "tooltip": [
                {"field": "line", "type": "nominal", "title": "What"},
                {"field": "text", "type": "nominal", "title": "Value"},
                {"field": "at", "type": "temporal", "title": "Hour from", "format": "%d %b %H:%M"},
            ],
        },
    }
