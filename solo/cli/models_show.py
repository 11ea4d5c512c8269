"""How `solo models` shows models: a table, and all of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from solo.cli.show import out

_VERDICTS = {"usable": "green", "unchecked": "dim", "refused": "red"}


def models_table(models: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    # What fits 80 columns; `info` has the rest.
    table.add_column("model", overflow="fold", min_width=16)
    table.add_column("size", justify="right")
    table.add_column("params", justify="right")
    table.add_column("quant")
    table.add_column("context", justify="right")
    table.add_column("state")
    table.add_column("roles, or why not", overflow="fold", min_width=17)
    for model in models:
        refused = model["verdict"] == "refused"
        state = "loaded" if model["loaded"] else model["verdict"]
        table.add_row(
            Text(model["name"]),
            bytes_(model["size_bytes"]),
            parameters(model["parameters"]),
            model["quantisation"],
            "" if model["context"] is None else str(model["context"]),
            Text(state, style="bold green" if model["loaded"] else _VERDICTS.get(state, "")),
            Text(model["reason"] if refused else ", ".join(model["roles"])),
        )
    return table


def info_lines(model: dict[str, Any]) -> None:
    """Every line that has something to say."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(model):
        if value:
            table.add_row(name, Text(value, style=_VERDICTS.get(value, "")))
    out.print(table)


def pool_line(model: dict[str, Any]) -> str:
    """What the pool answers of a model that is being loaded or unloaded."""
    pinned = ", pinned" if model.get("pinned") else ""
    error = f": {model['error']}" if model.get("error") else ""
    return f"{model['name']} is {model['state']}{pinned}{error}"


def parameters(count: int | None) -> str:
    if not count:
        return ""
    return f"{count / 1e9:.1f} B" if count >= 1e9 else f"{count / 1e6:.0f} M" if count >= 1e6 else str(count)


def bytes_(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count} B"


def _lines(model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    template = {"own": "its own chat template", "family": f"that of {model['family']}", "none": "none: not for chat"}
    token = model["kv_bytes_per_token"]
    yield "model", model["name"]
    yield "verdict", model["verdict"]
    yield "why", model["reason"]
    yield "loaded", "yes" if model["loaded"] else ""
    yield "roles", ", ".join(model["roles"])
    yield "title", model["title"]
    yield "family", model["family"]
    yield "architecture", model["architecture"]
    yield "parameters", f"{model['parameters']:,}" if model["parameters"] else ""
    yield "quantisation", model["quantisation"]
    yield "size", bytes_(model["size_bytes"])
    yield "context", f"{model['context']} tokens" if model["context"] else ""
    yield "KV cache", f"{token} bytes a token, {bytes_(token * 2048)} for 2048" if token else ""
    yield "layers", str(model["layers"] or "")
    yield "embedding", str(model["embedding"] or "")
    yield "template", "" if model["reason"] and not model["architecture"] else template[model["template"]]
    yield "licence", model["licence"] or "not stated"
    yield (
        "origin",
        {"models": "folder of models", "package": "installed package", "extra": "extra folder"}[model["origin"]],
    )
    yield "path", model["path"]
    yield "changed", datetime.fromtimestamp(model["modified"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield "SHA-256", model["sha256"] or "not read as a whole yet: solo models verify"
