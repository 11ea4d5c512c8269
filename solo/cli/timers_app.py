"""The commands of `solo timers`; what they do is loaded when one is called."""

from __future__ import annotations

from typing import Annotated

import typer

timers = typer.Typer(
    name="timers",
    help="Timers, alarms and reminders that are set.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@timers.command(name="list")
def list_timers(as_json: AsJson = False) -> None:
    """List what is set: what rings first, then what is due next."""
    from solo.cli import timers as command

    raise typer.Exit(command.listed(as_json=as_json))


@timers.command()
def cancel(
    timer: Annotated[str | None, typer.Argument(help="Its id, or the beginning of it, or its name.")] = None,
    all_timers: Annotated[bool, typer.Option("--all", help="All that are set.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a timer, or silence one that rings."""
    from solo.cli import timers as command

    raise typer.Exit(command.cancel(timer, all_timers=all_timers, as_json=as_json))
