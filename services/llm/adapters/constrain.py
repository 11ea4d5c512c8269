"""What holds an answer to a form: a grammar for llama.cpp, and the shortest end for an answer that was cut off."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

from services.formats.call_forms import HERMES, CallForm
from services.llm.adapters.grammars.checking import SchemaTrouble
from services.llm.adapters.grammars.gbnf import LONGEST, GrammarTrouble, check, read
from services.llm.adapters.grammars.rules import Grammar
from services.llm.adapters.grammars.schema import grammar_of
from services.llm.adapters.grammars.values import literal
from services.llm.adapters.grammars.walk import Walk, measure
from services.llm.engine import Form, Tool
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput


class BadSchema(SoloError):
    """The JSON schema cannot be kept."""

    code = "llm.bad_schema"


class BadGrammar(SoloError):
    """The grammar cannot be used."""

    code = "llm.bad_grammar"


class Constraint:
    """The form that one answer must have."""

    def __init__(self, gbnf: str, grammar: Grammar) -> None:
        self.gbnf = gbnf
        """Its root rule is `root`; llama.cpp takes it, and can go on in it from wherever it gets."""
        self._grammar = grammar
        self._walk = Walk(grammar)
        self._said = ""

    def follow(self, said: str) -> bool:
        """Whether the whole answer so far fits. `close` is quicker afterwards, since it goes on from here.

        Raises `BadGrammar` when there have come to be too many ways to read it, which llama.cpp would try all.
        """
        if not said.startswith(self._said):
            self._walk, self._said = Walk(self._grammar), ""
        try:
            self._walk.add(said[len(self._said) :])
        except GrammarTrouble as error:
            raise _bad_grammar(error) from None
        self._said = said
        return bool(self._walk.places)

    def close(self, said: str) -> str | None:
        """The shortest text that makes an answer whole which was cut off; empty when it is whole, None when it does not
        fit or cannot be followed. `said`: everything the model has written."""
        try:
            return self._walk.end() if self.follow(said) else None
        except BadGrammar:
            return None


def constraint(
    form: Form | None, tools: Sequence[Tool] = (), tool_choice: str = "auto", calls: CallForm = HERMES
) -> Constraint | None:
    """The form of an answer, None where it is free. `calls`: how the model writes calls (`ChatTemplate.calls`).

    A tool that must be called (`tool_choice` is `required` or its name) goes before `form`; one that may be called can
    come instead of JSON. Raises `BadSchema`, `BadGrammar`, `BadEngineInput`.
    """
    schema = None if form is None else form.get("json_schema")
    forced = [tool for tool in tools if tool_choice in ("required", tool["name"])]
    if tool_choice not in ("auto", "none") and not forced:
        raise BadEngineInput(f"There is no tool {tool_choice!r} to be called", hint="Name one of the tools.")
    if forced:
        return _of_schemas(_key(None, forced), calls)
    if schema is not None:
        return _of_schemas(_key(schema, tools if tool_choice == "auto" else ()), calls)
    if form is not None and form.get("grammar") is not None:
        return _of_grammar(str(form["grammar"]))
    return None


def _key(schema: Any, tools: Sequence[Tool]) -> str:
    try:
        return json.dumps([schema, [[tool["name"], tool.get("parameters") or {}] for tool in tools]])
    except (TypeError, ValueError, RecursionError):
        raise BadSchema("It is no JSON, or nested too deeply", hint="Send plain JSON.") from None


def _of_schemas(key: str, calls: CallForm) -> Constraint:
    gbnf, grammar = _made(key, calls)
    return Constraint(gbnf, grammar)


def _of_grammar(text: str) -> Constraint:
    return Constraint(text, _read(text))


# The same few forms are asked for again and again; an entry has some 100 kB.
@functools.lru_cache(maxsize=32)
def _made(key: str, calls: CallForm) -> tuple[str, Grammar]:
    schema, tools = json.loads(key)
    schemas: dict[str, Any] = {}
    ways: list[str] = []
    if schema is not None:
        schemas["answer"] = schema
        ways.append("answer")
    for number, (name, parameters) in enumerate(tools):
        schemas[f"call-{number}"] = {"type": "object", **parameters}
        before, after = _around(calls, name)
        ways.append(f"{literal(before)} call-{number} {literal(after)}")
    try:
        grammar = grammar_of(schemas, " | ".join(ways))
        check(grammar)
        measure(grammar)
    except SchemaTrouble as error:
        whose = f"The arguments of the tool {tools[0][0]}" if schema is None and len(tools) == 1 else "The JSON schema"
        raise BadSchema(
            f"{whose} cannot be kept: {error}", hint="Leave out what is named, or say it in a simpler way."
        ) from None
    except GrammarTrouble as error:
        raise BadSchema(f"The JSON schema cannot be kept: {error}", hint="Ask for something simpler.") from None
    return grammar.gbnf(), grammar


@functools.lru_cache(maxsize=32)
def _read(text: str) -> Grammar:
    try:
        if len(text) > LONGEST:
            raise GrammarTrouble(f"it has {len(text)} characters, more than {LONGEST}")
        grammar = read(text)
        check(grammar)
        measure(grammar)
    except GrammarTrouble as error:
        raise _bad_grammar(error) from None
    return grammar


def _bad_grammar(error: GrammarTrouble) -> BadGrammar:
    return BadGrammar(f"The grammar cannot be used: {error}", hint="Correct it; the notation is llama.cpp's GBNF.")


def _around(calls: CallForm, name: str) -> tuple[str, str]:
    """What a call of a tool has before its arguments and behind them."""
    head = f'{{"name": {json.dumps(name)}, "{calls.arguments}": '
    if calls.closing:
        return f"{calls.opening}\n{head}", f"}}\n{calls.closing}"
    return (f"{calls.opening}[{head}", "}]") if calls.opening else (head, "}")
