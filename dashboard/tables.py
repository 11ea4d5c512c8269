"""Rows of the tables and of the memory chart: plain text and numbers, made from the status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dashboard.look import DAEMON, ENGINE, state_colour
from dashboard.status import Bus, Service, Status
from dashboard.units import NONE, clock, count, literal, milliseconds, size, span

_MEMORY_ROOM = 1.28


def service_rows(services: Sequence[Service], now: datetime) -> list[dict[str, str]]:
    """One row a service in the daemon's order, cells in Markdown with everything the daemon wrote made literal."""
    return [
        {
            "Service": f"**{literal(service.name)}**",
            "State": badge(service.state),
            "Engine": _engine(service),
            "Memory": size(service.engine.rss_bytes) if service.engine else NONE,
            "pid": str(service.engine.pid) if service.engine and service.engine.pid is not None else NONE,
            "Ready after": span(service.ready_after_s),
            "In state": span(service.since_s),
            "Restarts": count(service.restarts),
            "Last error or note": _detail(service, now),
        }
        for service in services
    ]


def badge(state: str) -> str:
    """A coloured badge in Markdown; a state from outside the known words is shown as plain literal text."""
    # Only letters and spaces: anything else could end the badge's bracket.
    if not state.replace("_", " ").replace(" ", "").isalpha():
        return literal(state)
    return f":{state_colour(state)}-badge[{state.replace('_', ' ')}]"


def mailbox_rows(bus: Bus) -> list[dict[str, str]]:
    """One row a mailbox, those that dropped or hold most first."""
    boxes = sorted(bus.mailboxes, key=lambda box: (-box.dropped, -box.waiting, box.owner, box.kind))
    return [
        {
            "Reader": literal(box.owner),
            "Message": literal(box.kind),
            "Waiting": count(box.waiting),
            "Limit": NONE if box.limit is None else count(box.limit),
            "Dropped": count(box.dropped),
        }
        for box in boxes
    ]


def memory_rows(status: Status) -> list[dict[str, Any]]:
    """Rows for `memory_spec`: the daemon, then every engine child, largest first; the last row only keeps room."""
    found: list[tuple[str, int, str]] = []
    if status.memory.daemon_rss_bytes is not None:
        found.append(("daemon", status.memory.daemon_rss_bytes, "Daemon"))
    found += [
        (service.name, service.engine.rss_bytes, "Engine child")
        for service in status.services
        if service.engine and service.engine.rss_bytes is not None
    ]
    found.sort(key=lambda part: (-part[1], part[0]))
    rows: list[dict[str, Any]] = [
        {"part": f"{place:02d}\t{name}", "mebibytes": octets / 1024**2, "size": size(octets), "group": group}
        for place, (name, octets, group) in enumerate(found)
    ]
    if rows:
        longest = rows[0]["mebibytes"]
        rows.append({"part": rows[0]["part"], "mebibytes": longest * _MEMORY_ROOM, "size": "", "group": None})
    return rows


def memory_spec(height: int) -> dict[str, Any]:
    """Vega-Lite for `memory_rows`, without data inside, as `stages.spec` and for the same reason."""
    y = {
        "field": "part",
        "type": "nominal",
        "sort": "ascending",
        "title": None,
        "axis": {"labelExpr": "split(datum.label, '\\t')[1]", "labelLimit": 130, "ticks": False, "domain": False},
    }
    x = {
        "field": "mebibytes",
        "type": "quantitative",
        "title": None,
        "axis": {"tickCount": 4, "format": ".0f", "labelExpr": "datum.label + ' MiB'"},
        "scale": {"nice": False, "zero": True},
    }
    bar = {
        "transform": [{"filter": "datum.group !== null"}],
        "mark": {"type": "bar", "height": 15, "cornerRadius": 2},
        "encoding": {
            "x": x,
            "color": {
                "field": "group",
                "type": "nominal",
                "scale": {"domain": ["Daemon", "Engine child"], "range": [DAEMON, ENGINE]},
                "legend": {"title": None, "orient": "top", "direction": "horizontal"},
            },
            "tooltip": [{"field": "size", "type": "nominal", "title": "Resident"}],
        },
    }
    text = {
        "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 12, "fontWeight": 600, "color": "#8b8f98"},
        "encoding": {"x": x, "text": {"field": "size", "type": "nominal"}},
    }
    return {"height": height, "encoding": {"y": y}, "layer": [bar, text]}


def drops(bus: Bus) -> str:
    """Where messages were lost, as Markdown for the line under the number: the worst mailbox, or that none were."""
    worst = max(bus.mailboxes, key=lambda box: box.dropped, default=None)
    if bus.dropped and worst is not None and worst.dropped:
        return f"most: {literal(worst.owner)}"
    return f"of {count(bus.published)} published"


def loop_note(status: Status) -> str:
    """The line under the loop lag: its worst value and how often the loop was blocked."""
    worst = f"worst {milliseconds(status.loop.max_lag_ms)}"
    return f"{worst}, blocked {count(status.loop.blocked)}×" if status.loop.blocked else worst


def _engine(service: Service) -> str:
    if service.engine is None:
        return NONE
    model = f" · {literal(service.engine.model)}" if service.engine.model else ""
    return f"{literal(service.engine.engine)}{model}" if service.engine.engine else NONE


def _detail(service: Service, now: datetime) -> str:
    parts = []
    if service.last_error is not None:
        at = f" · {clock(service.last_error.at, now)}" if service.last_error.at else ""
        parts.append(f"{literal(service.last_error.message)} {literal(f'[{service.last_error.code}]')}{at}")
    if service.note:
        parts.append(literal(service.note))
    return " · ".join(parts) or NONE
