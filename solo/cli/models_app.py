"""The commands of `solo models`; what they do is loaded when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

models = typer.Typer(
    name="models",
    help="The language models: those that are there, fetching more, and which of them does what.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Standalone = Annotated[
    bool, typer.Option("--standalone", help="Ask no daemon: read the files' headers only. So it is without one, too.")
]
Name = Annotated[str, typer.Argument(help="As `solo models list` shows it.")]
NewName = Annotated[str, typer.Option("--name", help="File name to give it; unset: its own.")]


@models.command(name="list")
def list_models(standalone: Standalone = False, as_json: AsJson = False) -> None:
    """List the models: what they are, whether they passed the checks, who uses them."""
    from solo.cli import models as command

    raise typer.Exit(command.listed(standalone=standalone, as_json=as_json))


@models.command()
def info(name: Name, standalone: Standalone = False, as_json: AsJson = False) -> None:
    """All that is known of one model."""
    from solo.cli import models as command

    raise typer.Exit(command.info(name, standalone=standalone, as_json=as_json))


@models.command()
def verify(name: Name, as_json: AsJson = False) -> None:
    """Check a model from the start: header, chat template, content, trial load in a process of its own."""
    from solo.cli import models as command

    raise typer.Exit(command.verify(name, as_json=as_json))


@models.command()
def pull(
    source: Annotated[str, typer.Argument(help="https://..., or hf:owner/repository/file.gguf.")],
    sha256: Annotated[str, typer.Option(help="What its content must hash to.")] = "",
    name: NewName = "",
    as_json: AsJson = False,
) -> None:
    """Fetch a model. Ctrl+C stops it; the same command goes on where it stopped."""
    from solo.cli import models_transfer as command

    raise typer.Exit(command.pull(source, sha256, name, as_json=as_json))


@models.command(name="import")
def bring(
    path: Annotated[Path, typer.Argument(help="A GGUF file on this machine; of several parts the first.")],
    name: NewName = "",
    as_json: AsJson = False,
) -> None:
    """Take in a model file from elsewhere on this machine: linked where that can be done, else copied."""
    from solo.cli import models_transfer as command

    raise typer.Exit(command.bring(path, name, as_json=as_json))


@models.command()
def use(
    name: Annotated[str, typer.Argument(help="As `solo models list` shows it, or a server's URL#model.")] = "",
    role: Annotated[str, typer.Option(help="dialog, logic, fast or vision.")] = "dialog",
    reset: Annotated[bool, typer.Option("--reset", help="As the settings say.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a role to a model; that holds over a restart."""
    from solo.cli import models as command

    raise typer.Exit(command.use(name, role, reset=reset, as_json=as_json))


@models.command()
def load(
    name: Name,
    pin: Annotated[bool | None, typer.Option("--pin/--unpin", help="Never give its memory to another one.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is loaded.")] = True,
    as_json: AsJson = False,
) -> None:
    """Load a model into memory now."""
    from solo.cli import models as command

    raise typer.Exit(command.load_model(name, pin, wait=wait, as_json=as_json))


@models.command()
def unload(name: Name, as_json: AsJson = False) -> None:
    """Take a model out of memory, when it has answered what it is answering."""
    from solo.cli import models as command

    raise typer.Exit(command.unload(name, as_json=as_json))


@models.command()
def rm(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False
) -> None:
    """Delete a model file from the folder of models."""
    from solo.cli import models as command

    raise typer.Exit(command.rm(name, sure=yes, as_json=as_json))


@models.command()
def choose(
    memory: Annotated[
        str, typer.Option(help="It must fit in this much, such as 4GB or 900MB; unset: what is free now.")
    ] = "",
    context: Annotated[int, typer.Option(help="Tokens of context.", min=1)] = 2048,
    purpose: Annotated[str, typer.Option("--for", help="chat, code, embedding or any.")] = "chat",
    family: Annotated[str, typer.Option(help="Of this family only, such as Qwen3.")] = "",
    as_json: AsJson = False,
) -> None:
    """Which model is best for this machine? The best first, and why."""
    from solo.cli import models as command

    raise typer.Exit(command.choose(memory, context, purpose, family, as_json=as_json))
