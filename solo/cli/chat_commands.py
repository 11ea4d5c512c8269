"""The slash commands of `solo chat`: parameters and history, changed between two questions."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solo.cli.chat_talk import Parameters, Talk
from solo.errors import SoloError

ROLES = ("dialog", "logic", "fast", "vision")
MOST_TOKENS = 131_072
"""As many as the daemon takes (`services/messages/language.py`)."""


_FREE = "as usual"


class BadCommand(SoloError):
    """The command cannot be understood."""

    code = "chat.bad_command"


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    say: str = ""
    again: bool = False
    """Ask the last question again."""
    leave: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    run: Callable[[Talk, str], Done]
    takes: str
    """What stands behind it, for people."""
    does: str


def is_command(line: str) -> bool:
    """A question that begins with a slash is written with two."""
    return line.startswith("/") and not line.startswith("//")


def question_of(line: str) -> str:
    return line[1:] if line.startswith("//") else line


def run(talk: Talk, line: str) -> Done:
    """Raises BadCommand with one line that helps."""
    name, _, rest = line[1:].partition(" ")
    name = _ALIASES.get(name.lower(), name.lower())
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        guess = f"Did you mean /{near[0]}? " if near else ""
        raise BadCommand(f"there is no /{name}", hint=f"{guess}/help lists the commands.")
    return command.run(talk, rest.strip())


def load_schema(path: str) -> dict[str, Any]:
    """Raises BadCommand."""
    try:
        schema = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCommand(f"{path} cannot be read as JSON: {error}", hint="Name a file with a JSON schema.") from error
    if not isinstance(schema, dict):
        raise BadCommand(f"{path} holds no JSON object", hint='A schema looks like {"type": "object", ...}.')
    return schema


def _number(
    field: str, kind: type[int] | type[float], fits: Callable[[Any], bool], says: str
) -> Callable[[Talk, str], Done]:
    def set_it(talk: Talk, text: str) -> Done:
        if not text:
            usual = getattr(Parameters(), field)
            setattr(talk.parameters, field, usual)
            return Done(f"{field}: {_FREE if usual is None else usual}")
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise BadCommand(f"{field} cannot be {text}", hint=f"It is {says}.")
        setattr(talk.parameters, field, value)
        return Done(f"{field}: {value}")

    return set_it


def _text(field: str, otherwise: str) -> Callable[[Talk, str], Done]:
    def set_it(talk: Talk, text: str) -> Done:
        setattr(talk.parameters, field, text)
        return Done(f"{field}: {text or otherwise}")

    return set_it


def _role(talk: Talk, text: str) -> Done:
    if text and text not in ROLES:
        raise BadCommand(f"there is no role {text}", hint=f"The roles are {', '.join(ROLES)}.")
    talk.parameters.role, talk.parameters.model = text, ""
    return Done(f"role: {text or 'dialog'}")


def _stop(talk: Talk, text: str) -> Done:
    stop = text.replace("\\n", "\n").replace("\\t", "\t")
    talk.parameters.stop = (*talk.parameters.stop, stop) if stop else ()
    return Done(f"stop: {', '.join(map(repr, talk.parameters.stop)) or 'nowhere'}")


def _json(talk: Talk, text: str) -> Done:
    talk.parameters.schema = load_schema(text) if text else None
    talk.parameters.schema_file = text
    return Done(f"answers: JSON as in {text}" if text else "answers: any text")


def _cache(talk: Talk, text: str) -> Done:
    values: dict[str, bool | None] = {"on": True, "off": False, "auto": None, "": None}
    if text not in values:
        raise BadCommand(f"the cache cannot be {text}", hint="Say on, off or auto.")
    talk.parameters.cached = values[text]
    return Done(f"cache: {text or 'auto'}")


def _history(talk: Talk, _: str) -> Done:
    lines = [f"{message['role']}: {message['content']}" for message in talk.messages()]
    return Done("\n".join(lines) or "nothing was said yet")


def _undo(talk: Talk, _: str) -> Done:
    if not talk.exchanges:
        return Done("nothing was said yet")
    question, _answer = talk.exchanges.pop()
    return Done(f"forgot the answer to: {question}")


def _retry(talk: Talk, _: str) -> Done:
    if not talk.exchanges:
        return Done("nothing was asked yet")
    return Done(again=True)


def _clear(talk: Talk, _: str) -> Done:
    talk.exchanges.clear()
    return Done("a new talk; the parameters stay")


def _save(talk: Talk, text: str) -> Done:
    if not text:
        raise BadCommand("there is no file name", hint="For example: /save talk.json.")
    path = Path(text).expanduser()
    kept = {"parameters": talk.parameters.body(), "messages": talk.messages()}
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(kept, file, ensure_ascii=False, indent=2)
            file.write("\n")
    except FileExistsError as error:
        raise BadCommand(f"{path} is there already", hint="Choose another name.") from error
    except OSError as error:
        raise BadCommand(f"{path} cannot be written: {error}", hint="Choose another place.") from error
    return Done(f"saved as {path}")


def _params(talk: Talk, _: str) -> Done:
    known = talk.parameters
    shown = {
        "model": known.model or f"that of the role {known.role or 'dialog'}",
        "system": known.system or "none",
        **{name: getattr(known, name) for name in ("temperature", "top_p", "max_tokens", "seed")},
        "stop": ", ".join(map(repr, known.stop)) or "nowhere",
        "json": known.schema_file or "any text",
        "cache": {None: "auto", True: "on", False: "off"}[known.cached],
    }
    return Done("\n".join(f"{name:<12}{_FREE if value is None else value}" for name, value in shown.items()))


def _help(_: Talk, __: str) -> Done:
    lines = [f"{f'/{name} {command.takes}':<22}{command.does}" for name, command in COMMANDS.items()]
    return Done("\n".join([*lines, "//text                a question that begins with a slash"]))


def _quit(_: Talk, __: str) -> Done:
    return Done(leave=True)


COMMANDS: dict[str, Command] = {
    "temperature": Command(
        _number("temperature", float, lambda value: 0 <= value <= 5, "a number from 0 (always the likeliest) to 5"),
        "0.7", "how freely is chosen; without a number: 0",
    ),
    "top_p": Command(_number("top_p", float, lambda value: 0 < value <= 1, "a number above 0, at most 1"),
                     "0.9", "share of the probability that is chosen from"),
    "max": Command(
        _number("max_tokens", int, lambda value: 1 <= value <= MOST_TOKENS, f"a whole number from 1 to {MOST_TOKENS}"),
        "200", "longest answer, in tokens",
    ),
    "seed": Command(_number("seed", int, lambda _: True, "a whole number"), "42", "the same seed, the same answer"),
    "system": Command(_text("system", "none"), "TEXT", "what the model is told before the talk"),
    "model": Command(_text("model", "that of the role"), "NAME", "ask this model; without a name: the role's"),
    "role": Command(_role, "fast", f"ask by role: {', '.join(ROLES)}"),
    "stop": Command(_stop, "TEXT", "end answers at this text too (\\n: a line's end); without one: nowhere"),
    "json": Command(_json, "FILE", "answer in JSON that fits the schema in this file; without one: any text"),
    "cache": Command(_cache, "on|off|auto", "whether an earlier answer will do"),
    "history": Command(_history, "", "what was said"),
    "undo": Command(_undo, "", "forget the last question and its answer"),
    "retry": Command(_retry, "", "ask the last question again, afresh"),
    "clear": Command(_clear, "", "forget the talk"),
    "save": Command(_save, "FILE", "write talk and parameters to a new file, as JSON"),
    "params": Command(_params, "", "the parameters"),
    "help": Command(_help, "", "these commands"),
    "quit": Command(_quit, "", "leave (also Ctrl+D)"),
}  # fmt: skip
_ALIASES = {"temp": "temperature", "max_tokens": "max", "exit": "quit", "q": "quit", "?": "help"}
