"""Run the measurements named on the command line, or all; print tables, keep the numbers as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

ALL = (
    "bus", "isolation", "startup", "idle", "voice", "stt", "llm", "answers", "cancel", "relay", "sharing", "ingest",
    "metrics", "memory", "doors", "stalled", "turntaking", "echo", "wake",
    "ears", "skills",
)  # fmt: skip


def main() -> None:
    names = sys.argv[1:] or ALL
    console = Console(highlight=False)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run")
    results = {}
    for name in names:
        with console.status(f"measuring {name}"):
            results[name] = import_module(f"tests.bench.{name}").measure()
        table = Table(title=name, title_justify="left", box=None, show_header=False, pad_edge=False)
        for what, figure in results[name].items():
            table.add_row(what, str(figure))
        console.print(table)
        console.print()
    folder = Path(".cache/bench")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y%m%d-%H%M%S.json")
    path.write_text(json.dumps(results, indent=2))
    console.print(f"kept in {path}")


main()
