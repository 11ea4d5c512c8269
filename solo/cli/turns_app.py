"""The commands of `solo turns`; what they do is loaded when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

turns = typer.Typer(
    name="turns",
    help="The last turns: what was heard, said and decided, and where the time went.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
TurnId = Annotated[str, typer.Argument(help="The turn's id, as `solo turns list` shows it.")]


@turns.command(name="list")
def list_turns(
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100)] = 20, as_json: AsJson = False
) -> None:
    """List the last turns, newest first."""
    from solo.cli import turns as command

    raise typer.Exit(command.listed(limit, as_json=as_json))


@turns.command()
def show(
    turn: TurnId,
    colour: Annotated[bool, typer.Option("--colour", help="Keep the colours in a pipe.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a turn: what was heard and said, its stages as bars, and what was decided when."""
    from solo.cli import turns as command

    raise typer.Exit(command.show(turn, colour=colour, as_json=as_json))


@turns.command()
def export(
    turn: TurnId,
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a turn's recording, voice included, into a file for `solo replay`."""
    from solo.cli import turns as command

    raise typer.Exit(command.export(turn, file, force=force, as_json=as_json))


@turns.command()
def forget(
    turn: Annotated[str | None, typer.Argument(help="The turn's id.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All recordings of yours.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the recording of one turn, or of all."""
    from solo.cli import turns as command

    raise typer.Exit(command.forget(turn, everything=everything, as_json=as_json))
