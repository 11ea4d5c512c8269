"""The commands of `solo audit`; what they do is loaded when one is called."""

from __future__ import annotations

from typing import Annotated

import typer

audit = typer.Typer(
    name="audit",
    help="Who did what: the log that only grows.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@audit.command(name="list")
def list_entries(
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 50,
    action: Annotated[str, typer.Option(help="Only actions that begin so, such as login or anomaly.")] = "",
    before: Annotated[int, typer.Option(help="Only rows before this one.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """List what happened, newest first."""
    from solo.cli import audit as command

    raise typer.Exit(command.listed(limit, action, before, as_json=as_json))


@audit.command()
def verify(as_json: AsJson = False) -> None:
    """Recompute the log's chain of hashes; exit code 1 when it was tampered with."""
    from solo.cli import audit as command

    raise typer.Exit(command.verify(as_json=as_json))
