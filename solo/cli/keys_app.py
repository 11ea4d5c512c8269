"""The commands of `solo keys`; what they do is loaded when one is called."""

from __future__ import annotations

from typing import Annotated

import typer

keys = typer.Typer(
    name="keys",
    help="API keys: for programs, and for people's other devices.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as kitchen.")],
    role: Annotated[str, typer.Option(help="admin, user, guest or service.")] = "service",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may, again for more; unset: all of its role.")
    ] = None,
    user: Annotated[str, typer.Option(help="Whose it is (id or name); unset: nobody's.")] = "",
    expires: Annotated[str, typer.Option(help="After which time, such as 90d, 12h or 2w; unset: never.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: it is kept nowhere."""
    from solo.cli import keys as command

    raise typer.Exit(command.create(name, role, scope or [], user, expires, as_json=as_json))


@keys.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    from solo.cli import keys as command

    raise typer.Exit(command.listed(as_json=as_json))


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Id or name, as `solo keys list` shows it.")], as_json: AsJson = False
) -> None:
    """Make a key worth nothing from now on; what it holds open is closed."""
    from solo.cli import keys as command

    raise typer.Exit(command.revoke(key, as_json=as_json))
