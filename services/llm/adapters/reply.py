"""What of a model's tokens is its answer: text for people, tools it asks for, JSON made whole."""

from __future__ import annotations

from collections.abc import Sequence

from services.llm.adapters.answer_text import AnswerText
from services.llm.adapters.constrain import Constraint
from services.llm.adapters.tool_calls import ToolReader
from services.llm.engine import ToolCall


class Reply:
    """Bytes in as they are decoded, text out that no later byte can change."""

    def __init__(
        self,
        stop: Sequence[str],
        skip: str,
        marks: Sequence[str],
        tools: ToolReader | None,
        constraint: Constraint | None,
        thinking: bool = False,
        bare: bool = False,
    ) -> None:
        """`skip`: what was said already; `marks`: texts with which the model would begin somebody else's turn;
        `thinking`: the answer begins within a block of thoughts; `bare`: it is no turn of a conversation, but text."""
        marks = () if constraint is not None or bare else marks
        self._text = AnswerText(stop, skip=skip, marks=marks, thinking=thinking and not bare, bare=bare)
        self._tools = tools
        self._constraint = constraint
        self._said: list[str] = []

    @property
    def stopped(self) -> bool:
        return self._text.stopped

    @property
    def calls(self) -> list[ToolCall]:
        """The tools it asks for; complete after `rest`."""
        return list(self._tools.calls) if self._tools is not None else []

    def add(self, data: bytes) -> str:
        return self._visible(self._text.add(data))

    def rest(self) -> str:
        """What was held back. JSON that was cut, by the token limit or a stop string, is closed, so that it parses."""
        said = self._visible(self._text.rest())
        if self._constraint is not None:
            said += self._visible(self._constraint.close("".join(self._said)) or "")
        if self._tools is not None:
            said += self._tools.rest()
        return said

    def _visible(self, text: str) -> str:
        if self._constraint is not None:
            self._said.append(text)
        return self._tools.add(text) if self._tools is not None and text else text
