"""Tries chat templates out: they come with a model, from strangers, and are code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from solo.isolation.call import Call

if TYPE_CHECKING:
    from jinja2.nodes import Template

LONGEST_PROMPT = 64 * 1024
"""Characters that a template may make of a few short messages."""
_TALKS: tuple[list[dict[str, str]], ...] = (
    [{"role": "user", "content": "one"}],
    [{"role": "system", "content": "two"}, {"role": "user", "content": "three"}],
    [
        {"role": "user", "content": "four"},
        {"role": "assistant", "content": "five"},
        {"role": "user", "content": "six"},
        {"role": "assistant", "content": "seven"},
        {"role": "user", "content": "eight"},
    ],
)


class TemplateTrial:
    """`try_out(call, templates, tokens)` finishes with why one of them is refused, or with an empty text.

    A template is refused that reaches for Python's insides or for other files, that does not parse, that cannot render
    a single question, or that makes too much of it. Time and memory are limited by the sandbox, in which engines render
    it too, and by this process.
    """

    def load(self) -> dict[str, Any]:
        import jinja2

        return {"engine": "jinja", "model": jinja2.__version__}

    def try_out(self, call: Call, templates: dict[str, str], tokens: dict[str, str]) -> str:
        for name, source in templates.items():
            try:
                problem = _problem(source, tokens)
            except MemoryError:
                problem = "takes more memory than it is given"
            if problem:
                which = name.removeprefix("tokenizer.chat_template").strip("._")
                return f"its chat template{f' {which}' if which else ''} {problem}"
        return ""


def _problem(source: str, tokens: dict[str, str]) -> str:
    from jinja2.exceptions import SecurityError

    from services.formats.sandbox import FAILURES, BudgetSpent, Sandbox

    sandbox = Sandbox()
    try:
        render = sandbox.compiled(source)
        if problem := _reaches_out(sandbox.parse(source)):
            return problem
    except SecurityError as error:
        return f"is unsafe: {error}"
    except FAILURES as error:
        return f"does not parse: {_said(error)}"
    for number, messages in enumerate(_TALKS):
        variables = {**tokens, "messages": messages, "tools": None, "add_generation_prompt": True}
        try:
            prompt = render({**variables, "enable_thinking": False}, len(messages))
        except SecurityError as error:
            return f"is unsafe: {error}"
        except BudgetSpent as error:
            return f"is given up: {error}"
        except FAILURES as error:
            if number == 0:  # other shapes of a conversation may be refused: some know no system messages
                return f"cannot render a question: {_said(error)}"
            continue
        if len(prompt) > LONGEST_PROMPT:
            return f"makes {len(prompt)} characters of {len(messages)} words"
        if number == 0 and messages[0]["content"] not in prompt:
            return "leaves out the question"
    return ""


def _reaches_out(tree: Template) -> str:
    """What in it no chat template needs, also where this conversation does not come by."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)):
        return f"is unsafe: line {node.lineno} asks for another file"
    for attribute in tree.find_all(nodes.Getattr):
        if attribute.attr.startswith("_"):
            return f"is unsafe: line {attribute.lineno} asks for {attribute.attr!r}"
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str) and item.arg.value.startswith("__"):
            return f"is unsafe: line {item.lineno} asks for {item.arg.value!r}"
    return ""


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
