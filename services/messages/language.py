"""Questions to the language models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.profiles import OWNER
from solo.bus import Request, StreamRequest

Role = Literal["dialog", "logic", "fast", "vision"]
"""What a model is good for; each role is bound to one model, several roles may share one."""
Task = Literal["draft", "polish", "caption", "summary"]
"""What is to be done, where the asker does not care by which role: draft -> logic, polish -> dialog,
caption -> vision, summary -> fast."""
Lane = Literal["voice", "chat", "batch"]
"""Who goes first where not everybody can go at once: somebody who is being spoken with, somebody who waits, nobody."""
MOST_TOKENS = 131_072
"""No answer is asked to be longer, in tokens."""


class ToolCall(BaseModel):
    """A tool that the model wants to be called."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Names this call; the tool's answer refers to it."""
    name: str
    """The tool."""
    arguments: str
    """A JSON object as text, as the model wrote it."""


class Tool(BaseModel):
    """A tool that the model may ask for."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """How the model calls it."""
    description: str = Field(default="", max_length=8192)
    """What it does, for the model."""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON schema of its arguments, an object."""


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant", "tool"]
    """Who says it; `tool`: what a tool answered."""
    content: str
    """Plain text."""
    images: tuple[bytes, ...] = ()
    """Pictures that belong to it, as files (JPEG, PNG, WebP); only models of the role `vision` take them."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an assistant's message: the tools it asked for."""
    tool_call_id: str = ""
    """Of a tool's message: which call it answers."""


class Sampling(BaseModel):
    """How the next token is chosen. Numbers outside these ranges never reach an engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.0, ge=0, le=5, allow_inf_nan=False)
    """0: always the likeliest token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of the probability that is sampled from."""
    top_k: int = Field(default=0, ge=0, le=1_000_000)
    """How many of the likeliest tokens are sampled from; 0: as many as the engine thinks right."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Tokens less likely than this share of the likeliest one's probability are left out."""
    repeat_penalty: float = Field(default=1.0, gt=0, le=10, allow_inf_nan=False)
    """Above 1: tokens of the last 64 become less likely, by division."""
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    """Taken from a token's logit once it has occurred in the answer."""
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    """Taken from a token's logit for each time it has occurred in the answer."""
    seed: int | None = None
    """The same seed gives the same answer; None: another each time."""


class Form(BaseModel):
    """A form that the answer must have; exactly one of the fields is set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    json_schema: dict[str, Any] | None = None
    """JSON that fits this schema; `{}`: any JSON object."""
    grammar: str | None = Field(default=None, max_length=65_536)
    """Text that fits this GBNF grammar, whose root rule is `root`."""


class TokenLogprob(BaseModel):
    """A token and how likely it was."""

    model_config = ConfigDict(frozen=True)

    token: str
    """Its text; replacement characters where it is part of a character."""
    logprob: float
    """Natural logarithm of its probability before sampling, at temperature 1."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens at its place, likeliest first: text and logprob."""


class TextDelta(BaseModel):
    """The next piece of an answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    """Whole characters; joined they are the answer."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the tokens behind it, where they were asked for."""


class Receipt(BaseModel):
    """What the model's context was spent on, in tokens."""

    model_config = ConfigDict(frozen=True)

    system: int
    """The system prompt."""
    history: int
    """Earlier questions and answers."""
    memory: int = 0
    """What was remembered for the question."""
    question: int
    """The question itself."""
    template: int
    """The markers around the messages."""
    tools: int = 0
    """The descriptions of tools."""
    dropped_messages: int
    """Oldest messages of the history left out because they did not fit."""
    dropped_tokens: int = 0
    """How many tokens those had."""
    summarised_messages: int = 0
    """Older messages that are present as a summary only; the summary's tokens count as history."""
    cached: int
    """Prompt tokens that had not to be evaluated again."""


class CompletionEnd(BaseModel):
    """The last item of a completion."""

    model_config = ConfigDict(frozen=True)

    finish: Literal["stop", "length", "tool_calls", "cancelled"]
    """`stop`: it was finished; `length`: `max_tokens` were reached; `tool_calls`: it asks for tools;
    `cancelled`: the asker left."""
    prompt_tokens: int
    """Tokens of the prompt."""
    cached_tokens: int
    """Of those, how many had not to be evaluated again."""
    completion_tokens: int
    """Tokens of the answer."""
    prefill_s: float
    """Seconds until the prompt was evaluated."""
    decode_s: float
    """Seconds that the answer's tokens took."""
    waited_s: float = 0.0
    """Seconds before that in which it waited for its turn."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools it asks for."""
    drafted_tokens: int = 0
    """Tokens that were guessed ahead (speculation)."""
    accepted_tokens: int = 0
    """Of those, how many were right."""
    receipt: Receipt
    """What the context was spent on."""
    engine: str
    """Engine and model, for people."""
    model: str = ""
    """The model that answered, by its name."""
    role: str = ""
    """The role it answered in."""
    fallback: str = ""
    """Why another model answered than the one first asked; empty: it was the first."""
    from_cache: bool = False
    """It is an earlier answer to the same question."""


class Complete(StreamRequest[TextDelta | CompletionEnd]):
    """Answer this conversation, or go on with this text: deltas, then one `CompletionEnd`."""

    messages: tuple[ChatMessage, ...] = ()
    """System prompt, history, perhaps a system message with what is remembered, and last the question."""
    prompt: str | None = None
    """Bare text to go on with, instead of `messages`: without a chat template, never shortened, and what looks like
    a special token in it stays text. Takes neither tools nor a `prefix`."""
    role: Role = "dialog"
    """By which role, where neither `task` nor `model` says it."""
    task: Task | None = None
    """What is to be done, which chooses the role."""
    model: str = ""
    """A model by its name, whatever its role; no other takes its place. Empty: the role's."""
    prefix: str = ""
    """The beginning of the answer, already said: generation goes on behind it."""
    max_tokens: int = Field(default=256, ge=1, le=MOST_TOKENS)
    """Longest answer, in tokens."""
    sampling: Sampling = Sampling()
    """How the tokens are chosen."""
    stop: tuple[str, ...] = ()
    """Texts at which the answer ends; they are not part of it."""
    form: Form | None = None
    """What form the answer must have."""
    tools: tuple[Tool, ...] = ()
    """What the model may ask to be called."""
    tool_choice: str = "auto"
    """`auto`, `none`, `required` (one of them), or the name of the one it must call."""
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """With each token its logprob, and those of so many of the likeliest."""
    lane: Lane = "chat"
    """Who goes first."""
    profile: str = OWNER
    """For whom; answers kept for one are never given to another."""
    cached: bool | None = None
    """Whether an earlier answer to the same question will do; None: where the temperature is 0 and nobody speaks."""


class Prefill(Request[int]):
    """Evaluate the stable beginning of a prompt before it is needed; the answer is its tokens."""

    idempotent = True

    messages: tuple[ChatMessage, ...]
    """The beginning of the prompts to come."""
    role: Role = "dialog"
    """Which role will be asked."""


class Counted(BaseModel):
    """How long a prompt would be."""

    model_config = ConfigDict(frozen=True)

    tokens: int
    """Of the whole prompt, markers included."""
    context: int
    """Tokens of prompt and answer that the model takes together."""


class CountTokens(Request[Counted]):
    """Count a prompt's tokens as the model would."""

    idempotent = True

    messages: tuple[ChatMessage, ...]
    """The prompt."""
    tools: tuple[Tool, ...] = ()
    """What the model may ask to be called."""
    role: Role = "dialog"
    """By which role."""
    model: str = ""
    """A model by its name; empty: the role's."""


class Embedded(BaseModel):
    """Texts as vectors of a language model."""

    model_config = ConfigDict(frozen=True)

    vectors: tuple[tuple[float, ...], ...]
    """One for each text, of length 1."""
    tokens: int
    """Of all texts together."""
    model: str
    """The model that made them."""


class EmbedTexts(Request[Embedded]):
    """Make vectors of texts with a language model (memory has an embedder of its own, `Embed`)."""

    idempotent = True

    texts: tuple[str, ...] = Field(min_length=1, max_length=256)
    """What is to be embedded."""
    model: str = ""
    """A model by its name; empty: that of the role `fast`."""
