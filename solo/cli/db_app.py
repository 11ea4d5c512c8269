"""The commands of `solo db`; what they do is loaded when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

db = typer.Typer(
    name="db",
    help="The database: how it is, migrations, backups, maintenance. Works with a running daemon and without one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _app() -> str:
    from solo.cli.app import APP  # which imports this module

    return APP


@db.command()
def status(as_json: AsJson = False) -> None:
    """Where is the database, and how is it?"""
    from solo.cli import db as command

    raise typer.Exit(command.status(_app(), as_json=as_json))


@db.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the tables up to date, after a backup; `solo run` does so by itself."""
    from solo.cli import db as command

    raise typer.Exit(command.apply(_app(), as_json=as_json))


@db.command()
def backup(
    path: Annotated[
        Path | None, typer.Argument(help="A folder, or a file that ends in .dump; unset: where scheduled ones go.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a verified dump with its manifest; everything goes on meanwhile."""
    from solo.cli import db as command

    raise typer.Exit(command.back_up(_app(), path, as_json=as_json))


@db.command()
def restore(
    path: Annotated[Path, typer.Argument(help="The .dump file, with its manifest beside it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Do not keep the present database beside it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace the database by a backup, once that is restored, compared and migrated beside it."""
    from solo.cli import db as command

    raise typer.Exit(command.restore(_app(), path, yes=yes, drop_old=drop_old, as_json=as_json))


@db.command()
def backups(as_json: AsJson = False) -> None:
    """List the backups, the newest first."""
    from solo.cli import db as command

    raise typer.Exit(command.listed(_app(), as_json=as_json))


@db.command()
def maintain(as_json: AsJson = False) -> None:
    """Do now what is done by itself all along: partitions, retention, expiry."""
    from solo.cli import db as command

    raise typer.Exit(command.maintain(_app(), as_json=as_json))


@db.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def shell(
    arguments: Annotated[list[str] | None, typer.Argument(help="For psql, such as -c 'SELECT 1'.")] = None,
) -> None:
    """Open psql on the database."""
    from solo.cli import db as command

    raise typer.Exit(command.shell(_app(), arguments or []))
