"""`solo audit`: read the audit log, and check that it is whole."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlencode

from rich.table import Table
from rich.text import Text

from solo.cli.client import Client
from solo.cli.exits import Exit
from solo.cli.keys import plain_table, short
from solo.cli.show import err, out
from solo.settings import MachineSettings, load

_VERIFY_WITHIN_S = 600.0
_COLUMNS = ("row", "at (UTC)", "what", "by")
_ABOUT = ("detail", "method", "route", "code", "address")
_LEAST = 10
"""Characters of what a row is about, however narrow the terminal."""


def listed(limit: int, action: str, before: int, *, as_json: bool) -> Exit:
    asked: dict[str, Any] = {"limit": limit}
    if action:
        asked["action"] = action
    if before:
        asked["before"] = before
    found = _client().get(f"/api/audit?{urlencode(asked)}")
    if as_json:
        out.print_json(json.dumps(found))
        return Exit.OK
    out.print(_table(found["entries"]))
    return Exit.OK


def verify(*, as_json: bool) -> Exit:
    asking = _client()
    with err.status("looking at every row") if err.is_terminal else nullcontext():
        verdict = asking.get("/api/audit/verify", within=_VERIFY_WITHIN_S)
    if as_json:
        out.print_json(json.dumps(verdict))
    elif verdict["whole"]:
        out.print(f"the log is whole: {verdict['rows']} rows, each as it was written")
    else:
        said = f"the log is not whole at row {verdict['broken_at']}: {verdict['reason']}"
        out.print(Text(said, style="red"), soft_wrap=True)
    return Exit.OK if verdict["whole"] else Exit.FAILED


def _table(entries: list[dict[str, Any]]) -> Table:
    """What a row is about is cut to what is left of the line, so that the columns before it stay whole."""
    table = plain_table(*_COLUMNS, "about")
    rows = [(str(row["seq"]), row["at"][:19].replace("T", " "), _what(row), short(row["actor"])) for row in entries]
    taken = sum(max(len(cell) for cell in column) + 2 for column in zip(_COLUMNS, *rows, strict=True))
    for cells, row in zip(rows, entries, strict=True):
        about = Text(" ".join(filter(None, (row[name] for name in _ABOUT))))
        about.truncate(max(_LEAST, out.width - taken), overflow="ellipsis")
        table.add_row(*cells, about)
    return table


def _what(row: dict[str, Any]) -> Text:
    times = f" ({row['count']}x)" if row["count"] > 1 else ""
    return Text(row["action"] + times, style={"denied": "yellow", "failed": "red"}.get(row["outcome"], ""))


def _client() -> Client:
    return Client(load(MachineSettings, strict=False))
