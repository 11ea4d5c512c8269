"""The command `solo chat`; what it does is loaded when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def chat(
    question: Annotated[
        str | None, typer.Argument(help="Ask this once. Left out: a talk, or a question a line.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model by its name, as `solo models list` shows it.")] = "",
    role: Annotated[str, typer.Option(help="dialog, logic, fast or vision.")] = "",
    system: Annotated[str, typer.Option(help="What the model is told before the talk.")] = "",
    temperature: Annotated[float, typer.Option(help="0: always the likeliest token.", min=0, max=5)] = 0.0,
    top_p: Annotated[float | None, typer.Option(help="Share of the probability chosen from.", max=1)] = None,
    max_tokens: Annotated[int | None, typer.Option("--max", help="Longest answer, in tokens.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answer.")] = None,
    schema: Annotated[Path | None, typer.Option(help="Answers are JSON that fits the schema in this file.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="No earlier answer will do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each answer.")] = False,
) -> None:
    """Talk with a language model, change its parameters, see its speed."""
    from solo.cli import chat as command
    from solo.cli.chat_commands import load_schema
    from solo.cli.chat_talk import Parameters

    parameters = Parameters(
        model=model,
        role=role,
        system=system,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        schema=load_schema(str(schema)) if schema is not None else None,
        schema_file=str(schema) if schema is not None else "",
        cached=False if fresh else None,
    )
    raise typer.Exit(command.chat(question, parameters, as_json=as_json))
