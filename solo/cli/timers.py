"""`solo timers`: list and cancel."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.memory import NothingNamed
from solo.cli.show import out
from solo.errors import SoloError
from solo.settings import MachineSettings, load

_SHORT = 8
"""Characters of an id that are shown."""


class TimerUnclear(SoloError):
    """It is not clear which timer is meant."""

    code = "cli.bad_timer"


def listed(*, as_json: bool) -> Exit:
    found = _client().get("/api/timers")
    if as_json:
        out.print_json(json.dumps(found))
        return Exit.OK
    if not found["timers"]:
        out.print("Nothing is set.")
        return Exit.OK
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "kind", "name", "state"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    table.add_column("left", justify="right")
    table.add_column("due")
    for timer in found["timers"]:
        due = datetime.fromisoformat(timer["due_at"]).astimezone().strftime("%a %H:%M:%S") if timer["due_at"] else ""
        left = str(timedelta(seconds=round(timer["left_s"])))
        row = (timer["id"][:_SHORT], timer["kind"], timer["name"], timer["state"], left, due)
        table.add_row(*map(Text, row))
    out.print(table)
    return Exit.OK


def cancel(timer: str | None, *, all_timers: bool, as_json: bool) -> Exit:
    if (timer is None) is not all_timers:
        raise NothingNamed("name one timer, or give --all", hint="`solo timers list` shows them.")
    client = _client()
    known = client.get("/api/timers")["timers"]
    chosen = known if timer is None else [_meant(known, timer)]
    gone = [client.delete(f"/api/timers/{quote(each['id'], safe='')}") for each in chosen]
    if as_json:
        out.print_json(json.dumps({"cancelled": gone}))
    else:
        named = ", ".join(each["name"] or each["kind"] for each in gone)
        out.print(Text(f"cancelled {named}" if gone else "Nothing is set."), soft_wrap=True)
    return Exit.OK


def _meant(known: list[dict[str, Any]], said: str) -> dict[str, Any]:
    by_id = [timer for timer in known if timer["id"].startswith(said)]
    found = by_id or [timer for timer in known if timer["name"].lower() == said.lower()]
    if len(found) != 1:
        raise TimerUnclear(
            f"{len(found) or 'no'} timers have the id or name {said}", hint="`solo timers list` shows them."
        )
    return found[0]


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))
