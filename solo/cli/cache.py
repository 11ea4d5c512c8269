"""`solo cache`: how the kept answers are doing, and forgetting them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.show import out
from solo.settings import MachineSettings, load

_PATH = "/api/llm/cache"


def stats(*, as_json: bool) -> Exit:
    state = _client().get(_PATH)
    if as_json:
        out.print_json(json.dumps(state))
        return Exit.OK
    if not state["enabled"]:
        out.print(Text("Answers are not kept: the cache is switched off.", style="yellow"))
    out.print(_places(state))
    asked = sum(state[name] for name in ("hits_memory", "hits_stored", "shared", "misses"))
    if asked:
        saved = asked - state["misses"]
        how = (
            f"{state['hits_memory']} from memory, {state['hits_stored']} from the database, "
            f"{state['shared']} shared another's answer"
        )
        out.print(Text(f"{saved} of {asked} questions ({saved / asked:.0%}) needed no model: {how}"), soft_wrap=True)
    else:
        out.print("Nothing that may be kept was asked since the start.")
    if state["dropped"]:
        lost = f"{state['dropped']} answers were not written to the database: it was away, or too slow"
        out.print(Text(lost, style="yellow"), soft_wrap=True)
    return Exit.OK


def clear(model: str, profile: str, *, as_json: bool) -> Exit:
    wanted = {name: value for name, value in (("model", model), ("profile", profile)) if value}
    gone = _client().delete(f"{_PATH}?{urlencode(wanted)}" if wanted else _PATH)
    if as_json:
        out.print_json(json.dumps(gone))
    else:
        out.print(f"forgot {gone['forgotten']} answers")
    return Exit.OK


def _places(state: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("where")
    for column in ("answers", "size", "of"):
        table.add_column(column, justify="right")
    table.add_column("for")
    ttl = _duration(state["ttl_s"])
    for where, name in (("memory", "memory"), ("database", "stored")):
        entries, size = state[f"{name}_entries"], state[f"{name}_bytes"]
        known = entries is not None
        table.add_row(
            where,
            str(entries) if known else "?",
            _size(size) if known else "does not answer",
            _size(state[f"{name}_limit_bytes"]),
            ttl,
        )
    return table


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count} B"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))
