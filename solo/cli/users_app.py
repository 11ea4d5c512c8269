"""The commands of `solo users`; what they do is loaded when one is called."""

from __future__ import annotations

from typing import Annotated

import typer

users = typer.Typer(
    name="users",
    help="Who may log in, and what they may.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Name = Annotated[str, typer.Argument(help="Name or id, as `solo users list` shows it.")]


@users.command()
def add(
    name: Annotated[str, typer.Argument(help="To log in with.")],
    role: Annotated[str, typer.Option(help="admin, user, guest or service.")] = "user",
    keys_only: Annotated[bool, typer.Option("--keys-only", help="Without a password: no log-in, keys only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a user. The password is asked for, or read from a pipe: one line."""
    from solo.cli import users as command

    raise typer.Exit(command.add(name, role, keys_only=keys_only, as_json=as_json))


@users.command(name="list")
def list_users(as_json: AsJson = False) -> None:
    """List the users."""
    from solo.cli import users as command

    raise typer.Exit(command.listed(as_json=as_json))


@users.command()
def role(
    name: Name, role: Annotated[str, typer.Argument(help="admin, user, guest or service.")], as_json: AsJson = False
) -> None:
    """Give a user another role; what is held open with the old one is closed."""
    from solo.cli import users as command

    raise typer.Exit(command.change(name, {"role": role}, as_json=as_json))


@users.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """Let a user in no longer, neither by password nor by key; sessions end at once."""
    from solo.cli import users as command

    raise typer.Exit(command.change(name, {"disabled": True}, as_json=as_json))


@users.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let a user in again."""
    from solo.cli import users as command

    raise typer.Exit(command.change(name, {"disabled": False}, as_json=as_json))


@users.command()
def passwd(name: Name, as_json: AsJson = False) -> None:
    """Give a user another password, asked for or read from a pipe; sessions end at once."""
    from solo.cli import users as command

    raise typer.Exit(command.passwd(name, as_json=as_json))
