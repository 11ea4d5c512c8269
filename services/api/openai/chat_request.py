"""The request for a chat completion, as a question to the language models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, WithJsonSchema

from services.api.openai.asking import LEAST_TOP_P, USUAL_TOKENS, Asking, Stops, answerer
from services.api.openai.contents import content_of
from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.api.openai.shapes import CHAT_MESSAGES, CHAT_TOOL_CHOICE, RESPONSE_FORMAT, never
from services.messages.language import (
    MOST_TOKENS,
    ChatMessage,
    Complete,
    Form,
    Lane,
    Role,
    Sampling,
    Task,
    Tool,
    ToolCall,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Function(_Part):
    name: str = Field(min_length=1, max_length=64)
    arguments: str = "{}"


class _Call(_Part):
    id: str = Field(max_length=200)
    function: _Function


class _Message(_Part):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Any = None
    tool_calls: tuple[_Call, ...] | None = None
    tool_call_id: str | None = None


class StreamOptions(_Part):
    include_usage: StrictBool = False


class OfferedTool(_Part):
    type: Literal["function"] = "function"
    function: Tool


class SoloFields(BaseModel):
    """What OpenAI's API has no words for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role | None = None
    """Who is asked, whatever `model` says."""
    task: Task | None = None
    """What is to be done, which chooses the role."""
    lane: Lane = "chat"
    """Who goes first."""
    cached: StrictBool | None = None
    """Whether an earlier answer to the same question will do."""
    prefix: str = ""
    """The beginning of the answer, already said."""
    grammar: str | None = Field(default=None, max_length=65_536)
    """Text that fits this GBNF grammar."""


class ChatRequest(Asking):
    """`POST /v1/chat/completions`. What OpenAI's API has beyond these fields is ignored."""

    model_config = ConfigDict(
        json_schema_extra=never(
            {
                "properties": {"top_logprobs": {"type": "integer"}, "logprobs": {"enum": [False, None]}},
                "required": ["top_logprobs"],
            }
        )
    )

    model: str = Field(default="", max_length=1000)
    """A role, a model's name, or `solo`."""
    messages: Annotated[tuple[_Message, ...], Field(min_length=1), WithJsonSchema(CHAT_MESSAGES)]
    """The conversation."""
    stream: StrictBool = False
    """As server-sent events."""
    stream_options: StreamOptions = StreamOptions()
    """`include_usage`: one more chunk that says what it took."""
    max_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """Longest answer."""
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """The same by its newer name, which goes first."""
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    """As in `Sampling`, and so are the next six."""
    top_p: float = Field(default=1.0, ge=0, le=1)
    top_k: int = Field(default=0, ge=0, le=1_000_000)
    min_p: float = Field(default=0.0, ge=0, le=1)
    repeat_penalty: float = Field(default=1.0, gt=0, le=10, allow_inf_nan=False)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    """The same seed, the same answer."""
    stop: Stops = ()
    """Where the answer ends."""
    n: int = Field(default=1, ge=1, le=1)
    """One answer."""
    logprobs: StrictBool = False
    """With each token its logprob."""
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    """And those of so many of the likeliest."""
    tools: tuple[OfferedTool, ...] = Field(default=(), max_length=128)
    """What the model may ask to be called."""
    tool_choice: Annotated[Any, WithJsonSchema(CHAT_TOOL_CHOICE)] = "auto"
    """`none`, `auto`, `required`, or the one that it must call."""
    response_format: Annotated[dict[str, Any] | None, WithJsonSchema(RESPONSE_FORMAT)] = None
    """`text`, `json_object` or `json_schema`."""
    solo: SoloFields = SoloFields()
    """Solo's own."""

    def question(self, profile: str) -> Complete:
        """Raises InvalidParameter."""
        messages = [self._message(place, message) for place, message in enumerate(self.messages)]
        prefix = self.solo.prefix
        if len(messages) > 1 and messages[-1].role == "assistant" and not messages[-1].tool_calls:
            # The beginning of the answer, as with llama-server and vLLM.
            prefix = messages.pop().content + prefix
        if self.top_logprobs is not None and not self.logprobs:
            raise InvalidParameter("top_logprobs needs logprobs", param="top_logprobs", hint="Set logprobs to true.")
        tools = tuple(offered.function for offered in self.tools)
        try:
            return Complete(
                messages=tuple(messages),
                prefix=prefix,
                max_tokens=self.max_completion_tokens or self.max_tokens or USUAL_TOKENS,
                sampling=self._sampling(),
                stop=self.stop,
                form=self._form(),
                tools=tools,
                tool_choice=self._choice({tool.name for tool in tools}),
                logprobs=(self.top_logprobs or 0) if self.logprobs else None,
                lane=self.solo.lane,
                cached=self.solo.cached,
                task=self.solo.task,
                profile=profile,
                **answerer(self.model, self.solo.role),
            )
        except ValidationError as error:
            raise invalid(error) from error

    def _sampling(self) -> Sampling:
        return Sampling(
            temperature=self.temperature,
            top_p=max(LEAST_TOP_P, self.top_p),
            top_k=self.top_k,
            min_p=self.min_p,
            repeat_penalty=self.repeat_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=self.seed,
        )

    def _message(self, place: int, message: _Message) -> ChatMessage:
        content, images = content_of(message.content, f"messages.{place}.content")
        calls = tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in message.tool_calls or ()
        )
        if calls and message.role != "assistant":
            raise InvalidParameter("Only the assistant calls tools", param=f"messages.{place}.tool_calls")
        if message.role == "tool" and not message.tool_call_id:
            raise InvalidParameter("A tool's answer names its call", param=f"messages.{place}.tool_call_id")
        if images and message.role != "user":
            raise InvalidParameter("Only the user shows pictures", param=f"messages.{place}.content")
        return ChatMessage(
            role="system" if message.role == "developer" else message.role,
            content=content,
            images=images,
            tool_calls=calls,
            tool_call_id=message.tool_call_id or "" if message.role == "tool" else "",
        )

    def _choice(self, names: set[str]) -> str:
        choice = self.tool_choice
        if choice in ("none", "auto", "required"):
            if choice == "required" and not names:
                raise InvalidParameter("tool_choice needs tools", param="tool_choice")
            return str(choice)
        function = choice.get("function") if isinstance(choice, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or name not in names:
            hint = 'Use "none", "auto", "required" or {"type": "function", "function": {"name": one of the tools}}.'
            raise InvalidParameter("tool_choice names no tool", param="tool_choice", hint=hint)
        return name

    def _form(self) -> Form | None:
        form, grammar = self.response_format, self.solo.grammar
        kind = form.get("type", "text") if form is not None else "text"
        if grammar is not None:
            if kind != "text":
                raise InvalidParameter("The answer cannot have two forms", param="solo.grammar")
            return Form(grammar=grammar)
        if form is None or kind == "text":
            return None
        if kind == "json_object":
            schema: Any = form.get("schema", {})  # as llama-server takes one
        elif kind == "json_schema":
            named = form.get("json_schema")
            schema = named.get("schema") if isinstance(named, dict) else None
        else:
            hint = "Use text, json_object or json_schema."
            raise InvalidParameter("There is no such form", param="response_format.type", hint=hint)
        if not isinstance(schema, dict):
            raise InvalidParameter("The schema is not an object", param=f"response_format.{kind}")
        return Form(json_schema=schema)
