"""Tables, bars and lines for people; colours vanish by themselves in a pipe."""

from __future__ import annotations

import shutil
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_IN_A_PIPE = (240, 25)
"""Columns and lines where there is no terminal and COLUMNS says nothing: a script wants all that a table says."""


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = shutil.get_terminal_size(_IN_A_PIPE).columns
    return console


out = _console()
err = Console(stderr=True, highlight=False)

COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "waiting": "yellow",
    "draining": "yellow",
    "degraded": "yellow",
    "backoff": "red",
    "failed": "red",
    "stopped": "dim",
}
_STAGES = (
    ("end_of_turn", "end of speech certain", "blue"),
    ("transcript", "transcript", "cyan"),
    ("recalled", "memory asked", "cyan"),
    ("first_token", "first token", "magenta"),
    ("first_audio", "first sound made", "green"),
    ("voice_to_voice", "first sound out", "green"),
    ("finished", "answer complete", "dim"),
)
_WIDTH = 40


def services_table(services: list[dict[str, Any]]) -> Table:
    """Rows of /status `services`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("service")
    table.add_column("state")
    table.add_column("after", justify="right")
    table.add_column("restarts", justify="right")
    table.add_column("memory", justify="right")
    table.add_column("engine, or what is the matter", overflow="fold")
    for service in services:
        state = str(service["state"])
        engine = service.get("engine") or {}
        rss = engine.get("rss_bytes")
        after = service.get("ready_after_s")
        about = service.get("note") or " ".join(filter(None, (engine.get("engine"), engine.get("model"))))
        table.add_row(
            service["name"],
            Text(state, style=COLOURS.get(state, "")),
            "" if after is None else f"{after:.2f} s",
            str(service.get("restarts", 0)),
            "" if not rss else f"{rss / 1e6:.0f} MB",
            Text(about),
        )
    return table


def waterfall(turn: dict[str, Any]) -> Table:
    """The stages of a turn as bars, all from the last speech sample (typed text: from the question)."""
    marks = {name: turn["latency_ms"].get(name) for name, _, _ in _STAGES}
    longest = max((ms for ms in marks.values() if ms), default=1.0)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    before = 0.0
    for name, label, colour in _STAGES:
        ms = marks[name]
        if ms is None:
            continue
        start = round(max(0.0, min(before, ms)) / longest * _WIDTH)
        length = max(1, round(max(0.0, ms) / longest * _WIDTH) - start)
        table.add_row(label, f"{ms:.0f} ms", Text(" " * start + "█" * length, style=colour))
        before = ms
    return table


def place(source: dict[str, Any]) -> str:
    """Where a passage is, as people cite."""
    page = f", page {source['page']}" if source["page"] is not None else ""
    return f"{source['document']}{page}, character {source['offset']}"


def citation_lines(turn: dict[str, Any]) -> None:
    """What the answer was given to go by, and why memory had no part in it when it should have had."""
    for citation in turn["citations"]:
        out.print(Text(f"[{citation['number']}] {place(citation['source'])} ({citation['collection']})", style="dim"))
    state, code = turn["memory"]["state"], turn["memory"]["code"]
    if state in {"late", "failed"}:
        err.print(Text(f"answered without memory, which was {state} [{code}]", style="yellow"))


def turn_lines(turn: dict[str, Any]) -> None:
    """What was heard and said, then the waterfall."""
    if turn["heard"]:
        out.print(Text.assemble(("heard  ", "bold"), turn["heard"]))
    if turn["said"]:
        out.print(Text.assemble(("said   ", "bold"), turn["said"]))
    out.print(waterfall(turn))
