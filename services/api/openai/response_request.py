"""The request for a response, as a question to the language models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, ValidationError, WithJsonSchema

from services.api.openai.asking import LEAST_TOP_P, USUAL_TOKENS, Asking, NotOffered, answerer
from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.api.openai.shapes import FUNCTION_CHOICE, FUNCTIONS, INPUT, TEXT_FORMAT
from services.messages.language import MOST_TOKENS, ChatMessage, Complete, Form, Sampling, Tool

LOGPROBS = "message.output_text.logprobs"


def _in_the_foreground(value: bool) -> bool:
    if value:
        raise ValueError("Solo answers in the foreground only: ask with stream, or wait for the answer")
    return value


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class ResponseRequest(Asking):
    """`POST /v1/responses`. What OpenAI's API has beyond these fields is ignored."""

    input: Annotated[Any, WithJsonSchema(INPUT)]
    """Text, or a list of items: messages, calls of functions and their outputs."""
    model: str = Field(default="", max_length=1000)
    """A role, a model's name, or `solo`."""
    instructions: str = ""
    """The system prompt; it is not carried over to the next response."""
    previous_response_id: str | None = Field(default=None, max_length=200)
    """A stored response to go on from."""
    store: StrictBool = True
    """Keep it for a day, in memory, for those who go on from it."""
    stream: StrictBool = False
    """As server-sent events."""
    max_output_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """Longest answer."""
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    """As in `Sampling`, and so is the next."""
    top_p: float = Field(default=1.0, ge=0, le=1)
    tools: Annotated[tuple[dict[str, Any], ...], Field(max_length=128), WithJsonSchema(FUNCTIONS)] = ()
    """Of the type function: what the model may ask to be called."""
    tool_choice: Annotated[Any, WithJsonSchema(FUNCTION_CHOICE)] = "auto"
    """`none`, `auto`, `required`, or `{"type": "function", "name": ...}`."""
    text: Annotated[dict[str, Any], WithJsonSchema(TEXT_FORMAT)] = {}
    """`format`: `text`, `json_object` or `json_schema`."""
    include: tuple[str, ...] = Field(default=(), max_length=16)
    """Of OpenAI's list Solo knows `message.output_text.logprobs`; the others are of tools that it does not have."""
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    """With each token its logprob, and those of so many of the likeliest."""
    metadata: Metadata = {}
    """Given back with the response."""
    truncation: Literal["auto"] = "auto"
    """The oldest history is left out where it does not fit; what is asked last never is."""
    background: Annotated[StrictBool, AfterValidator(_in_the_foreground), WithJsonSchema({"const": False})] = False
    """Not offered."""
    conversation: NotOffered = None
    prompt: NotOffered = None

    def question(self, messages: Sequence[ChatMessage], profile: str) -> Complete:
        """`messages`: the conversation with the input. Raises InvalidParameter."""
        system = [ChatMessage(role="system", content=self.instructions)] if self.instructions else []
        tools = self._tools()
        wanted = self.top_logprobs is not None or LOGPROBS in self.include
        try:
            return Complete(
                messages=(*system, *messages),
                max_tokens=self.max_output_tokens or USUAL_TOKENS,
                sampling=Sampling(temperature=self.temperature, top_p=max(LEAST_TOP_P, self.top_p)),
                form=self._form(),
                tools=tools,
                tool_choice=self._choice({tool.name for tool in tools}),
                logprobs=(self.top_logprobs or 0) if wanted else None,
                profile=profile,
                **answerer(self.model),
            )
        except ValidationError as error:
            raise invalid(error) from error

    def _tools(self) -> tuple[Tool, ...]:
        tools = []
        for place, tool in enumerate(self.tools):
            if tool.get("type") != "function":
                hint = "Offer tools of the type function, which you call yourself."
                raise InvalidParameter("Solo has no such tool", param=f"tools.{place}.type", hint=hint)
            try:
                tools.append(Tool.model_validate({name: value for name, value in tool.items() if value is not None}))
            except ValidationError as error:
                raise invalid(error, f"tools.{place}") from error
        return tuple(tools)

    def _choice(self, names: set[str]) -> str:
        choice = self.tool_choice
        if choice in ("none", "auto", "required"):
            if choice == "required" and not names:
                raise InvalidParameter("tool_choice needs tools", param="tool_choice")
            return str(choice)
        name = choice.get("name") if isinstance(choice, dict) and choice.get("type") == "function" else None
        if not isinstance(name, str) or name not in names:
            hint = 'Use "none", "auto", "required" or {"type": "function", "name": one of the tools}.'
            raise InvalidParameter("tool_choice names no tool", param="tool_choice", hint=hint)
        return name

    def _form(self) -> Form | None:
        form = self.text.get("format")
        if form is None:
            return None
        match form:
            case {"type": "text"}:
                return None
            case {"type": "json_object"}:
                return Form(json_schema={})
            case {"type": "json_schema", "schema": dict(schema)}:
                return Form(json_schema=schema)
        hint = "Use text, json_object, or json_schema with a schema."
        raise InvalidParameter("There is no such form", param="text.format", hint=hint)
