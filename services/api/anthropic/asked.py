"""Requests for messages, as questions to the language models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, StrictBool, ValidationError, WithJsonSchema

from services.api.anthropic.blocks import Message, messages_of, text_of
from services.api.anthropic.shapes import MESSAGES, OUTPUT, SYSTEM, TOOL_CHOICE, TOOLS
from services.api.openai.asking import LEAST_TOP_P, Asking, Stops, answerer
from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.messages.language import MOST_TOKENS, ChatMessage, Complete, CountTokens, Form, Sampling, Tool


class Counting(Asking):
    """`POST /v1/messages/count_tokens`. What Anthropic's API has beyond these fields is ignored."""

    model: str = Field(default="", max_length=1000)
    """A role, a model's name, or `solo`."""
    messages: Annotated[tuple[Message, ...], Field(min_length=1, max_length=10_000), WithJsonSchema(MESSAGES)]
    """The conversation: text, pictures in base64, calls of tools and their results."""
    system: Annotated[Any, WithJsonSchema(SYSTEM)] = ""
    """The system prompt: text, or blocks of text."""
    tools: Annotated[tuple[dict[str, Any], ...], Field(max_length=128), WithJsonSchema(TOOLS)] = ()
    """What the model may ask to be called; none that would run at Anthropic."""

    def count(self) -> CountTokens:
        """Raises InvalidParameter."""
        messages = tuple(self._conversation())
        return CountTokens(messages=messages, tools=self._tools(), **answerer(self.model))

    def _conversation(self) -> list[ChatMessage]:
        system = text_of(self.system, "system")
        before = [ChatMessage(role="system", content=system)] if system else []
        return before + messages_of(self.messages)

    def _tools(self) -> tuple[Tool, ...]:
        tools = []
        for place, tool in enumerate(self.tools):
            where = f"tools.{place}"
            if tool.get("type") not in (None, "custom"):
                hint = "Offer tools with a name and an input_schema, which you run yourself."
                raise InvalidParameter("Solo has no such tool", param=f"{where}.type", hint=hint)
            schema = tool.get("input_schema")
            if not isinstance(schema, dict):
                raise InvalidParameter("The schema is not an object", param=f"{where}.input_schema")
            known = {"name": tool.get("name"), "parameters": schema}
            if tool.get("description") is not None:
                known["description"] = tool["description"]
            try:
                tools.append(Tool.model_validate(known))
            except ValidationError as error:
                raise invalid(error, where) from error
        return tuple(tools)


class Asked(Counting):
    """`POST /v1/messages`. What Anthropic's API has beyond these fields is ignored."""

    max_tokens: int = Field(ge=1, le=MOST_TOKENS)
    """Longest answer."""
    stream: StrictBool = False
    """As server-sent events."""
    stop_sequences: Stops = ()
    """Where the answer ends."""
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    """As in `Sampling`, and so are the next two."""
    top_p: float = Field(default=1.0, ge=0, le=1)
    top_k: int = Field(default=0, ge=0, le=1_000_000)
    tool_choice: Annotated[dict[str, Any], WithJsonSchema(TOOL_CHOICE)] = {"type": "auto"}
    """`auto`, `any`, `none`, or `tool` with a name."""
    output_config: Annotated[dict[str, Any], WithJsonSchema(OUTPUT)] = {}
    """`format`: `json_schema`."""

    def question(self, profile: str) -> Complete:
        """Raises InvalidParameter."""
        messages = self._conversation()
        prefix = ""
        if len(messages) > 1 and messages[-1].role == "assistant" and not messages[-1].tool_calls:
            prefix = messages.pop().content
        tools = self._tools()
        try:
            return Complete(
                messages=tuple(messages),
                prefix=prefix,
                max_tokens=self.max_tokens,
                sampling=Sampling(temperature=self.temperature, top_p=max(LEAST_TOP_P, self.top_p), top_k=self.top_k),
                stop=self.stop_sequences,
                form=self._form(),
                tools=tools,
                tool_choice=self._choice([tool.name for tool in tools]),
                profile=profile,
                **answerer(self.model),
            )
        except ValidationError as error:
            raise invalid(error) from error

    def _choice(self, names: Sequence[str]) -> str:
        match self.tool_choice:
            case {"type": "auto"}:
                return "auto"
            case {"type": "none"}:
                return "none"
            case {"type": "any"} if names:
                return "required"
            case {"type": "tool", "name": str(name)} if name in names:
                return name
        hint = "Use a type of auto, any, none, or tool with the name of one of the tools."
        raise InvalidParameter("tool_choice names no tool", param="tool_choice", hint=hint)

    def _form(self) -> Form | None:
        match self.output_config.get("format"):
            case None:
                return None
            case {"type": "json_schema", "schema": dict(schema)}:
                return Form(json_schema=schema)
        raise InvalidParameter("There is no such form", param="output_config.format", hint="Use json_schema.")
