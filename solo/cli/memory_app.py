"""The commands of `solo memory`; what they do is loaded when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

memory = typer.Typer(
    name="memory",
    help="What Solo remembers: documents in collections, and facts about you.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Collection = Annotated[str | None, typer.Option(help="Only in this collection.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@memory.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders with all files below them.")],
    collection: Annotated[str, typer.Option(help="Where to put them; made when it does not exist.")] = "documents",
    as_json: AsJson = False,
) -> None:
    """Take in documents: text, Markdown, PDF, HTML, DOCX. What is there already is skipped."""
    from solo.cli import memory_add as command

    raise typer.Exit(command.add(paths, collection, as_json=as_json))


@memory.command()
def search(
    query: Annotated[str, typer.Argument(help="In plain words.")],
    collection: Collection = None,
    top: Annotated[int, typer.Option(help="How many passages at most.", min=1, max=100)] = 5,
    as_json: AsJson = False,
) -> None:
    """Find passages of documents, by meaning and by words."""
    from solo.cli import memory as command

    raise typer.Exit(command.search(query, collection, top, as_json=as_json))


@memory.command(name="list")
def list_documents(collection: Collection = None, as_json: AsJson = False) -> None:
    """List documents, newest first."""
    from solo.cli import memory as command

    raise typer.Exit(command.documents(collection, as_json=as_json))


@memory.command()
def collections(as_json: AsJson = False) -> None:
    """List collections."""
    from solo.cli import memory as command

    raise typer.Exit(command.collections(as_json=as_json))


@memory.command()
def facts(as_json: AsJson = False) -> None:
    """List what Solo knows about you, newest first."""
    from solo.cli import memory as command

    raise typer.Exit(command.facts(as_json=as_json))


@memory.command()
def remember(text: Annotated[str, typer.Argument(help="One sentence.")], as_json: AsJson = False) -> None:
    """Keep a fact."""
    from solo.cli import memory as command

    raise typer.Exit(command.remember(text, as_json=as_json))


@memory.command()
def edit(
    fact: Annotated[str, typer.Argument(help="Its id, as `solo memory facts` shows it.")],
    text: Annotated[str, typer.Argument(help="Its new words.")],
    as_json: AsJson = False,
) -> None:
    """Change the words of a fact."""
    from solo.cli import memory as command

    raise typer.Exit(command.edit(fact, text, as_json=as_json))


@memory.command()
def forget(
    fact: Annotated[str | None, typer.Option(help="The id of a fact.")] = None,
    document: Annotated[str | None, typer.Option(help="The name of a document.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="A collection with everything in it; with --document: where that is.")
    ] = None,
    all_facts: Annotated[bool, typer.Option("--all-facts", help="All facts.")] = False,
    yes: Sure = False,
    as_json: AsJson = False,
) -> None:
    """Forget a fact, a document, a collection, or all facts."""
    from solo.cli import memory as command

    what = command.Forgettable(fact, document, collection, all_facts)
    raise typer.Exit(command.forget(what, sure=yes, as_json=as_json))


@memory.command()
def reindex(as_json: AsJson = False) -> None:
    """Embed all documents afresh, in the background."""
    from solo.cli import memory as command

    raise typer.Exit(command.reindex(as_json=as_json))


@memory.command()
def status(as_json: AsJson = False) -> None:
    """How is the memory?"""
    from solo.cli import memory as command

    raise typer.Exit(command.status(as_json=as_json))
