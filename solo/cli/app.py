"""The commands: thin, each speaks HTTP to the daemon; `solo run` is the daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from solo.cli.audit_app import audit
from solo.cli.cache_app import cache
from solo.cli.chat_app import chat
from solo.cli.db_app import db
from solo.cli.exits import Exit
from solo.cli.keys_app import keys
from solo.cli.memory_app import memory
from solo.cli.models_app import models
from solo.cli.timers_app import timers
from solo.cli.turns_app import turns
from solo.cli.users_app import users
from solo.errors import SoloError

APP = "services.app:tree"
"""The tree that `solo run` runs."""

app = typer.Typer(
    name="solo",
    help="Solo, an assistant that lives on this machine. Exit codes: 0 done, 1 failed, 2 bad input or setting, "
    "3 no daemon, 4 nothing heard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(db)
app.add_typer(memory)
app.add_typer(models)
app.add_typer(cache)
app.add_typer(users)
app.add_typer(keys)
app.add_typer(audit)
app.add_typer(turns)
app.add_typer(timers)
app.command()(chat)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Port = Annotated[
    int | None, typer.Option(help="TCP port on loopback (also SOLO_PORT); 0 takes a free one.", min=0, max=65535)
]


@app.command()
def run(
    audio: Annotated[str | None, typer.Option(help="device, none, or wav:PATH (a file heard as if spoken).")] = None,
    port: Port = None,
    self_test: Annotated[bool, typer.Option(help="Ask one recorded question when everything is ready.")] = True,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Start the dashboard as well.")] = False,
) -> None:
    """Run the daemon until it is stopped."""
    from solo.cli import run as command

    raise typer.Exit(command.run(APP, audio=audio, port=port, self_test=self_test, dashboard=dashboard))


@app.command()
def status(as_json: AsJson = False) -> None:
    """How is the daemon, and each of its services?"""
    from solo.cli import status as command

    raise typer.Exit(command.status(as_json=as_json))


@app.command()
def ask(
    text: Annotated[str | None, typer.Argument(help="The question.")] = None,
    wav: Annotated[Path | None, typer.Option(help="A spoken question, fed in real time as a microphone would.")] = None,
    wake: Annotated[bool, typer.Option("--wake", help="The question follows the wake word in the file.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the spoken answer to this WAV file.")] = None,
    talk: Annotated[str, typer.Option(help="Whose history the question belongs to.")] = "default",
    standalone: Annotated[bool, typer.Option("--standalone", help="Run a daemon for just this call.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask one question, typed or spoken."""
    from solo.cli import ask as command

    question = command.Question(text, wav, wake, out, talk, as_json, standalone)
    raise typer.Exit(command.ask(question))


@app.command()
def replay(
    bundle: Annotated[Path, typer.Argument(help="A recording, as `solo turns export` writes it.")],
    engines: Annotated[
        str, typer.Option(help="recorded, or real: the same sound through the present engines.")
    ] = "recorded",
    as_json: AsJson = False,
) -> None:
    """Run a recorded turn again; exit code 1 when it goes another way."""
    from solo.cli import replay as command

    raise typer.Exit(command.replay(APP, bundle, engines, as_json=as_json))


@app.command()
def voice(
    open_it: Annotated[bool, typer.Option("--open/--no-open", help="Open it, or only print its address.")] = True,
    as_json: AsJson = False,
) -> None:
    """Talk to Solo in the browser: opens the voice page, logged in."""
    from solo.cli import voice as command

    raise typer.Exit(command.voice(open_it=open_it, as_json=as_json))


@app.command()
def listen(
    hold: Annotated[bool, typer.Option("--hold", help="Push-to-talk: until Enter or Ctrl+C, whatever pauses.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Listen for so long.", min=0.5, max=120)] = None,
    source: Annotated[str, typer.Option(help="Name of a sound source.")] = "microphone",
    as_json: AsJson = False,
) -> None:
    """Have the microphone listen now, without the wake word."""
    from solo.cli import listen as command

    raise typer.Exit(command.listen(command.Wish(source, hold or seconds is not None, seconds, as_json)))


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say, at most 4000 characters.")],
    source: Annotated[
        str | None, typer.Option(help="Name of a sound source; by itself all that go on listening.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="Name of a voice.")] = None,
    language: Annotated[str | None, typer.Option(help="Of the text, such as de: chooses the voice.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say something aloud. Exit code 1: nobody heard it; 2: no such source or voice."""
    from solo.cli import say as command

    raise typer.Exit(command.say(command.Saying(text, source, voice, language, as_json)))


@app.command()
def stop(as_json: AsJson = False) -> None:
    """Stop the daemon: what is under way is finished first."""
    from solo.cli import status as command

    raise typer.Exit(command.stop(as_json=as_json))


@app.command()
def doctor(
    privacy: Annotated[
        bool, typer.Option("--privacy", help="Have the daemon and an engine's process try to reach other machines.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the machine, the settings and the daemon."""
    if privacy:
        from solo.cli import privacy as proof

        raise typer.Exit(proof.privacy(as_json=as_json))
    from solo.cli import status as command

    raise typer.Exit(command.doctor(APP, as_json=as_json))


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="TCP port of the page on loopback.", min=1, max=65535)] = 8701,
) -> None:
    """Serve the dashboard page (a process of its own; it needs no running daemon)."""
    from solo.cli.dashboard import command_line

    line = command_line(port)
    raise typer.Exit(subprocess.call(line))


def main() -> None:
    """Every failure that has a name is one line; with --json it is an object on stdout as well."""
    try:
        app()
    except SoloError as error:
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps({"error": error.to_wire()}) + "\n")
        sys.stderr.write(error.line() + "\n")
        sys.exit(_exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)


_BAD_INPUT = (
    *("settings.", "state.", "sound.", "ask.", "api.port_", "llm.prompt_too_long", "engine.bad_input"),
    *("db.bad_address", "db.not_confirmed", "db.backup_missing", "db.backup_foreign", "db.backup_truncated"),
    *("db.backup_altered", "cli.nothing_named", "cli.not_confirmed", "memory.no_fact", "chat.", "llm.unknown_model"),
    *("cli.bad_", "egress.bad_", "replay.bad_"),
    *("models.bad_name", "models.bad_source", "models.unknown", "models.exists"),
    *("security.weak_password", "security.name_taken", "security.no_", "security.bad_scope"),
    *("api.key_too_wide", "api.no_such_key", "api.bad_request", "api.no_source", "api.no_voice"),
)
_NO_DAEMON = ("cli.no_daemon", "cli.standalone_failed")


def _exit_code(error: SoloError) -> int:
    if error.code.startswith(_NO_DAEMON):
        return int(Exit.NO_DAEMON)
    return int(Exit.BAD_INPUT if error.code.startswith(_BAD_INPUT) else Exit.FAILED)
