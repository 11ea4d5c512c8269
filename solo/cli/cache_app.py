"""The commands of `solo cache`; what they do is loaded when one is called."""

from __future__ import annotations

from typing import Annotated

import typer

cache = typer.Typer(
    name="cache",
    help="The language models' answers that are kept and given again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@cache.command()
def stats(as_json: AsJson = False) -> None:
    """How many answers are kept, what they take, how often they were used."""
    from solo.cli import cache as command

    raise typer.Exit(command.stats(as_json=as_json))


@cache.command()
def clear(
    model: Annotated[str, typer.Option(help="Only answers of this model.")] = "",
    profile: Annotated[str, typer.Option(help="Only answers made for this profile.")] = "",
    as_json: AsJson = False,
) -> None:
    """Forget kept answers; they are made afresh when they are asked for."""
    from solo.cli import cache as command

    raise typer.Exit(command.clear(model, profile, as_json=as_json))
