"""Renders a conversation with the model's own chat template, without ever showing the template what was said."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from services.llm.engine import ChatMessage

if TYPE_CHECKING:
    from jinja2 import Template

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The commonest chat format, for models that bring no template or one that does not work."""

# A template comes with the model and is code: it may fail in any way that an expression of Python can.
FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# Marks are private-use characters between rare blanks; a template that strips contents strips the blanks too.
BLANK = "\u205f"
MARK = re.compile(f"({BLANK}?)\ue000([0-9]+)\ue001({BLANK}?)")


class Slot(NamedTuple):
    """The place of one message's content in a rendered prompt."""

    message: int
    stripped: bool
    """The template strips blanks around contents."""


Part = str | Slot


class ChatTemplate:
    """A model's chat template in Jinja's immutable sandbox, with ChatML to fall back on.

    Contents are replaced by marks before rendering, so that nothing said by anyone can be taken for the template's own
    text: the caller tokenises the template's text with, and the contents without, special tokens.
    """

    def __init__(self, source: str | None, tokens: dict[str, str]) -> None:
        """`source`: Jinja, None when the model has none; `tokens`: `bos_token` and `eos_token` as text."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def raise_exception(message: str) -> None:
            raise TemplateError(message)

        def tojson(value: Any, indent: int | None = None, **_: Any) -> str:
            return json.dumps(value, ensure_ascii=False, indent=indent)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = tojson
        environment.globals["raise_exception"] = raise_exception
        environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        self._tokens = tokens
        self._failures = (*FAILURES, TemplateError)
        self._chatml = environment.from_string(CHATML)
        self._own: Template | None = None
        self.trouble = "the model has no chat template" if source is None else ""
        """Why ChatML is used instead of the model's own template; empty when it is not."""
        if source is not None:
            try:
                self._own = environment.from_string(source)
                probe: list[ChatMessage] = [{"role": "user", "content": "?"}]
                self._render(self._own, _marked(probe), 1)
            except self._failures as error:
                self._own = None
                self.trouble = f"the model's chat template does not work: {error}"

    def render(self, messages: Sequence[ChatMessage]) -> list[Part]:
        """The prompt up to where the assistant's answer begins: the template's text and the places of the contents.

        A template that refuses system messages is given them at the head of the user's next message.
        """
        marked = _marked(messages)
        if self._own is not None:
            for shape in (marked, _folded(marked)):
                try:
                    return self._render(self._own, shape, len(messages))
                except self._failures:
                    continue  # such as turns that do not alternate: ChatML takes any order
        return self._render(self._chatml, marked, len(messages))

    def _render(self, template: Template, marked: list[ChatMessage], contents: int) -> list[Part]:
        # Reasoning models would otherwise think aloud, at length, before the first word that can be said.
        text = template.render(messages=marked, add_generation_prompt=True, enable_thinking=False, **self._tokens)
        parts = _split(text)
        missing = set(range(contents)) - {part.message for part in parts if isinstance(part, Slot)}
        if missing:
            raise ValueError(f"the template leaves out message {min(missing)}")
        return parts


def _marked(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    return [
        {"role": message["role"], "content": f"{BLANK}\ue000{index}\ue001{BLANK}"}
        for index, message in enumerate(messages)
    ]


def _folded(marked: list[ChatMessage]) -> list[ChatMessage]:
    """System messages put before the content of the user's message that follows them, so that what stays the same in
    every prompt stays at its head."""
    said = ""
    rest: list[ChatMessage] = []
    for message in marked:
        if message["role"] == "system":
            said += message["content"] + "\n\n"
        elif message["role"] == "user":
            rest.append({**message, "content": said + message["content"]})
            said = ""
        else:
            rest.append({**message})
    return rest


def _split(text: str) -> list[Part]:
    parts: list[Part] = []
    end = 0
    for mark in MARK.finditer(text):
        if mark.start() > end:
            parts.append(text[end : mark.start()])
        parts.append(Slot(int(mark[2]), stripped=not (mark[1] and mark[3])))
        end = mark.end()
    if end < len(text):
        parts.append(text[end:])
    return parts
