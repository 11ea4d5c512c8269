"""Renders a conversation with a model's chat template, without ever showing the template what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from services.formats.call_forms import FORMS, HERMES, Called, CallForm
from services.formats.families import CHATML, template_of
from services.formats.marking import ZONES, Marks, Part, Slot, text_of
from services.formats.shaping import Folding, Message, Tools, shaped
from services.formats.turn_marks import turn_marks

Origin = Literal["own", "family", "chatml"]
PROBE: list[Message] = [{"role": "user", "content": "?"}]
TURNS: list[Message] = [
    {"role": "system", "content": "(0)"},
    {"role": "user", "content": "(1)"},
    {"role": "assistant", "content": "(2)"},
    {"role": "user", "content": "(3)"},
]
CALL = Called("get_it", {"what": "this"})
CALLING: list[Message] = [
    {"role": "user", "content": "(1)"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_123456789", "name": CALL.name, "arguments": '{"what": "this"}'}],
    },
    {"role": "tool", "content": "(2)", "tool_call_id": "call_123456789"},
]
CALLED_TOOL: Mapping[str, Any] = {
    "name": CALL.name,
    "description": "Gets it",
    "parameters": {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]},
}
Render = Callable[[dict[str, Any], int], str]


class _Template(NamedTuple):
    origin: Origin
    render: Render
    tools: Tools
    calls: CallForm


def _today() -> date:
    return datetime.now().astimezone().date()


class ChatTemplate:
    """A model's chat template in a sandbox, with its family's and ChatML to fall back on.

    What people and tools say is replaced by marks before rendering, so that it can neither be taken for the template's
    own text nor do anything to the template: whoever tokenises a prompt does so with special tokens for the template's
    text, and without for what was said.

    One prompt is rendered at a time.
    """

    def __init__(
        self,
        source: str | None,
        tokens: Mapping[str, str],
        family: str = "",
        today: Callable[[], date] = _today,
    ) -> None:
        """`source`: Jinja, None when the model has none; `tokens`: `bos_token` and `eos_token` as text; `family`: of
        `services.formats.families`, empty when unknown; `today`: for templates that tell the model the date.

        Nothing that a template contains makes this raise, or take long.
        """
        from services.formats.sandbox import FAILURES, BudgetSpent, Sandbox

        self._tokens = dict(tokens)
        self._failures = FAILURES
        self._too_much = BudgetSpent
        self.trouble = "the model has no chat template" if source is None else ""
        """Why the model's own template is not used; empty when it is."""
        self._templates: list[_Template] = []
        sandbox = Sandbox(today)
        if source is not None:
            try:
                render = sandbox.compiled(source)
                self._parts(render, PROBE, (), Tools(), "none")
            except FAILURES as error:
                said = " ".join(str(error).split())[:200] or type(error).__name__
                self.trouble = f"the model's chat template does not work: {said}"
            else:
                self._templates.append(_Template("own", render, *self._tool_use(render)))
        if family and family != CHATML:
            self._templates.append(_Template("family", sandbox.compiled(template_of(family)), Tools(), HERMES))
        self._templates.append(_Template("chatml", sandbox.compiled(template_of(CHATML)), Tools(), HERMES))
        ahead = self.render(PROBE)[-1]
        self.thinks = isinstance(ahead, str) and ahead.rstrip().endswith("<think>")
        """The prompt ends within a block of thoughts: the answer begins with them."""

    @property
    def origin(self) -> Origin:
        """Which template is used."""
        return self._templates[0].origin

    @property
    def calls(self) -> CallForm:
        """The form in which the model is asked to call tools."""
        return self._templates[0].calls

    @property
    def native_tools(self) -> bool:
        """The template itself tells the model of tools; otherwise a text of ours behind the system prompt does."""
        return self._templates[0].tools.native

    def render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), thinking: bool = False
    ) -> list[Part]:
        """The prompt up to where the assistant's answer begins: the template's text and what was said, in slots.

        Where a template refuses or forgets system messages, or would put what changes with every question before what
        stays, they are said at the head of the user's next message. `thinking`: a model that can think aloud before
        its answer may. Raises ValueError for a role that does not exist.
        """
        for template in list(self._templates):
            try:
                parts = self._by(template, messages, tools, thinking)
            except self._too_much as error:
                self._give_up(template, str(error))
            else:
                if parts is not None:
                    return parts
        raise ValueError("These messages cannot be put to a model: a role is unknown, or they are too many")

    def _by(
        self, template: _Template, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], thinking: bool
    ) -> list[Part] | None:
        """The prompt as one template makes it, in the first shape that it takes and leaves in order."""
        usable: list[Part] | None = None
        calls = any(message.get("tool_calls") or message["role"] == "tool" for message in messages)
        for how in [template.tools, Tools()] if template.tools.native and (tools or calls) else [Tools()]:
            for folding in self._foldings(messages, tools, how):
                try:
                    parts = self._parts(template.render, messages, tools, how, folding, thinking)
                except self._too_much:
                    raise
                except self._failures:
                    continue  # such as turns that do not alternate: ChatML takes any order
                if _keeps_order(parts):
                    return parts
                usable = usable or parts
            if usable is not None:
                return usable
        return None

    def _give_up(self, template: _Template, why: str) -> None:
        """What has once taken too long would do so with every prompt to come."""
        if template.origin == "own" and template in self._templates:
            self._templates.remove(template)
            self.trouble = f"the model's chat template does not work: {why}"

    def marks(self) -> tuple[str, ...]:
        """Texts with which this template begins or ends a turn: a model that writes one has gone on to speak for
        somebody else."""
        return turn_marks(self.render(TURNS), self._tokens.get("eos_token", ""))

    @staticmethod
    def _foldings(messages: Sequence[Message], tools: Sequence[Any], how: Tools) -> Iterator[Folding]:
        yield "none"
        if any(message["role"] == "system" for message in messages[1:]):
            yield "later"
        if (messages and messages[0]["role"] == "system") or (tools and not how.native):
            yield "all"

    def _parts(
        self,
        render: Render,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        how: Tools,
        folding: Folding,
        thinking: bool = False,
    ) -> list[Part]:
        marks = Marks()
        shape = shaped(messages, tools, marks, how, folding)
        variables = {
            **self._tokens,
            "messages": shape.messages,
            "tools": shape.tools,
            "add_generation_prompt": True,
            # Reasoning models would otherwise think aloud, at length, before the first word that can be said.
            "enable_thinking": thinking,
        }
        return marks.parts(render(variables, len(messages)))

    def _tool_use(self, render: Render) -> tuple[Tools, CallForm]:
        """How the template shows tools, when what it makes of a call can be read back as that call."""
        for as_text in (False, True):
            how = Tools(native=True, as_text=as_text)
            try:
                parts = self._parts(render, CALLING, [CALLED_TOOL], how, "none")
            except self._failures:
                continue
            places = {part.text: at for at, part in enumerate(parts) if isinstance(part, Slot)}
            first, second = places.get("(1)", 0), places.get("(2)", 0)
            written = text_of(parts[first + 1 : second])
            for form in FORMS:
                begin = written.find(form.opening or f'{{"name": "{CALL.name}", "{form.arguments}"')
                if begin >= 0 and form.scan(written[begin + len(form.opening) :])[0] == [CALL]:
                    return how, form
        return Tools(), HERMES


def _keeps_order(parts: Sequence[Part]) -> bool:
    """Nothing of a later zone stands before something of an earlier one. Tools may stand where a template wants them:
    models find them only there."""
    zones = [ZONES.index(part.zone) for part in parts if isinstance(part, Slot) and part.message >= 0]
    return zones == sorted(zones)
