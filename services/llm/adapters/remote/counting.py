"""How long a prompt is: by the server's own tokenizer where it lends it, else by its length in bytes."""

from __future__ import annotations

from typing import Any

from services.llm.adapters.remote.asking import messages_of, tools_of
from services.llm.adapters.remote.dialects import Dialect
from services.llm.adapters.remote.line import Line, Refused
from services.llm.adapters.remote.receipt import estimate
from services.llm.remote import RemoteFailed
from services.messages.language import Counted, CountTokens

_MOST = 64 * 1024**2
"""Bytes of tokens as JSON: seven a token, for a million of them, and room."""


class Counter:
    def __init__(self, line: Line, model: str, dialect: Dialect, context: int) -> None:
        self._line = line
        self._model = model
        self._dialect = dialect
        self._context = context
        root = line.shown.removesuffix("/v1")
        self._root = root
        """Beside the API, where servers have their own routes."""

    async def count(self, question: CountTokens, by: float) -> Counted:
        """Raises the errors of `services.llm.remote`, but not because the server cannot count."""
        try:
            tokens = await self._counted(question, by)
        except Refused as refused:
            if refused.refusal.passing:
                raise refused.refusal.error from refused
            tokens = None
        if tokens is None:
            tokens = estimate(question.messages, question.tools)
        return Counted(tokens=tokens, context=self._context)

    async def _counted(self, question: CountTokens, by: float) -> int | None:
        """None: this server cannot, or not this prompt."""
        if any(message.images for message in question.messages):
            return None
        body: dict[str, Any] = {"messages": messages_of(question.messages)}
        if question.tools:
            body["tools"] = tools_of(question.tools)
        match self._dialect.counts:
            case "template":
                said = await self._ask("/apply-template", body, by)
                prompt = said.get("prompt")
                if not isinstance(prompt, str):
                    return None
                # The template's markers are tokens of their own, and the beginning of a text is added, as when asked.
                whole = {"content": prompt, "add_special": True, "parse_special": True}
                return _length((await self._ask("/tokenize", whole, by)).get("tokens"))
            case "messages":
                said = await self._ask("/tokenize", {"model": self._model, "add_generation_prompt": True, **body}, by)
                return _whole(said.get("count"))
            case "texts":
                marks = estimate([message.model_copy(update={"content": ""}) for message in question.messages])
                text = "\n".join(message.content for message in question.messages)
                said = await self._ask("/extras/tokenize/count", {"input": text}, by)
                texts = _whole(said.get("count"))
                return None if texts is None else texts + marks
        return None

    async def _ask(self, path: str, body: dict[str, Any], by: float) -> dict[str, Any]:
        said = await self._line.ask("POST", self._root + path, body, by, _MOST)
        if not isinstance(said, dict):
            raise RemoteFailed("the server's count cannot be read")
        return said


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, list) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
