"""`solo chat`: a talk on a terminal, a question a line through a pipe, or one question."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from rich.text import Text

from solo.cli.chat_commands import Done, is_command, question_of, run
from solo.cli.chat_talk import Answered, Parameters, Talk
from solo.cli.client import Client, NoDaemon
from solo.cli.exits import Exit
from solo.cli.show import err, out
from solo.errors import SoloError
from solo.settings import MachineSettings, load

_PROMPT = "> "
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a model must not send to a terminal: it could move the cursor, or write what nobody said."""


def chat(question: str | None, parameters: Parameters, *, as_json: bool) -> Exit:
    client = Client(load(MachineSettings, strict=False))
    client.get("/healthz")  # nobody should type a question first; and what is loaded now is not measured as the model's
    talk = Talk(client, parameters)
    if question is not None:
        return _one_by_one(talk, [question], as_json, commands=False)
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _one_by_one(talk, (line.rstrip("\r\n") for line in sys.stdin), as_json, commands=True)
    return _on_terminal(talk)


def _on_terminal(talk: Talk) -> Exit:
    with suppress(ImportError):  # Windows: the console does so itself
        import readline  # noqa: F401  # `input` edits lines and knows the earlier ones where it is loaded
    _quietly("Ctrl+C stops an answer, Ctrl+D leaves, /help lists what else can be said.")
    while True:
        try:
            line = input(_PROMPT).strip()
            done = run(talk, line) if is_command(line) else Done()
            if done.leave:
                return Exit.OK
            if done.say:
                out.print(Text(_visible(done.say)), soft_wrap=True)
            if done.again:
                _tell(talk, talk.again(_show))
            elif line and not is_command(line):
                _tell(talk, talk.ask(question_of(line), _show))
        except EOFError:
            out.print()
            return Exit.OK
        except KeyboardInterrupt:  # nothing is being answered: the line is given up
            out.print()
        except SoloError as error:
            err.print(Text(error.line()), soft_wrap=True)


def _tell(talk: Talk, answered: Answered) -> None:
    """What comes below an answer."""
    out.print()
    if answered.error is not None:
        err.print(Text(answered.error.line()), soft_wrap=True)
    else:
        _quietly(line_of(answered, _context(talk, answered)))


def _one_by_one(talk: Talk, lines: Iterable[str], as_json: bool, *, commands: bool) -> Exit:
    """Answers on standard output, all else on standard error. What is no command, and no daemon, ends it."""
    exit_code = Exit.OK
    show: Callable[[str], None] = (lambda _: None) if as_json else _show
    for line in lines:
        if not line.strip():
            continue
        done = run(talk, line.strip()) if commands and is_command(line) else None
        if done is None:
            answered = talk.ask(question_of(line) if commands else line, show)
        elif done.again:
            answered = talk.again(show)
        elif done.leave:
            break
        else:
            err.print(Text(done.say), soft_wrap=True)
            continue
        if answered.stopped:
            raise KeyboardInterrupt
        if isinstance(answered.error, NoDaemon):
            raise answered.error
        if answered.error is not None:
            exit_code = Exit.FAILED
        _report(talk, answered, as_json)
    return exit_code


def _report(talk: Talk, answered: Answered, as_json: bool) -> None:
    if as_json:
        _write(json.dumps(answered.for_programs(), ensure_ascii=False) + "\n")
        return
    _write("\n")
    if answered.error is not None:
        err.print(Text(answered.error.line()), soft_wrap=True)
    elif out.is_terminal:
        _quietly(line_of(answered, _context(talk, answered)))


def line_of(answered: Answered, context: int | None) -> str:
    """The quiet line: what the answer cost. `context`: tokens that the model takes."""
    end = answered.end
    if answered.stopped:
        return f"stopped after {answered.took_s:.1f} s"
    parts = []
    if end:
        parts.append(f"{end['completion_tokens']} tokens")
        if answered.tokens_per_s is not None:
            parts.append(f"{answered.tokens_per_s:.1f}/s")
    elif answered.usage:
        parts.append(f"{answered.usage.get('completion_tokens', '?')} tokens")
    if answered.first_ms is not None:
        parts.append(f"first after {answered.first_ms:.0f} ms")
    if end:
        parts += _of_end(end, context)
    return ", ".join(parts)


def _of_end(end: dict[str, object], context: int | None) -> list[str]:
    prompt, answer = end["prompt_tokens"], end["completion_tokens"]
    assert isinstance(prompt, int)
    assert isinstance(answer, int)
    parts = [f"{end['cached_tokens']} of {prompt} prompt tokens cached"]
    parts.append(f"context {prompt + answer}" + (f" of {context}" if context else ""))
    receipt = end.get("receipt")
    if isinstance(receipt, dict) and receipt.get("dropped_messages"):
        parts.append(f"{receipt['dropped_messages']} oldest messages did not fit")
    if end.get("finish") == "length":
        parts.append("cut off at its longest")
    parts.append(str(end.get("model") or end["engine"]))
    if end.get("from_cache"):
        parts.append("an earlier answer")
    if end.get("fallback"):
        parts.append(f"fallback: {end['fallback']}")
    return parts


def _context(talk: Talk, answered: Answered) -> int | None:
    model = answered.end.get("model")
    return talk.context_of(model) if model else None


def _show(text: str) -> None:
    _write(_visible(text) if out.is_terminal else text)


def _write(text: str) -> None:
    """As it is: rich would expand tabs."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more, as behind `| head`
        out.on_broken_pipe()


def _visible(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _quietly(text: str) -> None:
    if text:
        out.print(Text(text, style="dim"), soft_wrap=True)
