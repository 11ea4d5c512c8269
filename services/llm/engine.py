"""The port of language-model engines that run in a child process, as plain data that crosses a pipe."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, Protocol, TypedDict

from solo.errors import SoloError
from solo.isolation.driving import Work


class ToolCall(TypedDict):
    id: str
    name: str
    arguments: str
    """A JSON object as text."""


class Tool(TypedDict):
    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of an object."""


class ChatMessage(TypedDict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]


class Sampling(TypedDict, total=False):
    """As `services.messages.language.Sampling`; what is left out has its default."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int | None


class Form(TypedDict, total=False):
    json_schema: dict[str, Any] | None
    grammar: str | None


class TokenLogprob(TypedDict):
    token: str
    logprob: float
    top: list[tuple[str, float]]


class Piece(TypedDict):
    """What a completion says instead of bare text where logprobs were asked for."""

    text: str
    logprobs: list[TokenLogprob]


class Completed(TypedDict):
    """The last item of a completion."""

    finish: Literal["stop", "length", "tool_calls", "cancelled"]
    prompt_tokens: int
    cached_tokens: int
    """How many of the prompt's tokens were still in the KV cache from an earlier call."""
    completion_tokens: int
    waited_s: float
    prefill_s: float
    decode_s: float
    tool_calls: list[ToolCall]
    drafted_tokens: int
    accepted_tokens: int
    zones: dict[str, int]
    """Tokens of the prompt by zone: `system`, `history`, `memory` (system messages behind the first), `question`,
    `tools`, `template`."""
    dropped_messages: int
    """Messages of the history, oldest first, left out because they did not fit."""
    dropped_tokens: int


class PromptTooLong(SoloError):
    """The question alone does not fit the model's context."""

    code = "llm.prompt_too_long"


class LLMEngine(Protocol):
    """A `Driver` (see `solo.isolation.driving`) whose calls are these.

    Options: `model` (path of a GGUF; None: the packaged one), `context` (tokens of one stream), `slots` (streams at
    once; spoken turns have one more), `threads`, `batch_threads`, `gpu_layers`, `host_cache_mb`, `draft`.

    `complete(messages, prefix="", max_tokens=256, sampling={}, stop=[], form=None, tools=[], tool_choice="auto",
    logprobs=None, lane="chat", prompt=None)` says pieces of the answer as they are decoded (whole characters only;
    `Piece`s where logprobs were asked for), then one `Completed`. `prefix` is the beginning of the assistant's answer,
    already said: generation goes on behind it and the prefix itself is not repeated. The oldest history is left out
    until prompt and `max_tokens` fit. The last message is the user's, or a tool's. `prompt` is bare text to go on with
    instead of messages, without a chat template; it is never shortened.

    `prefill(messages)` evaluates a prompt's stable beginning into the cache and finishes with its tokens: everything up
    to the next question, or up to the last word of a question still being asked when the last message is the user's.
    0 when it was cancelled.

    `count(messages, tools=[])` finishes with `{"tokens": n, "context": n}`.

    `embed(texts)` finishes with `{"vectors": [bytes of float32, ...], "tokens": n}`, vectors of length 1.

    Errors: `BadEngineInput`, `PromptTooLong`, `EngineError`.
    """

    drives: bool

    def load(self) -> dict[str, Any]:
        """Load and warm up. Raises `ModelMissing` or `ModelCorrupt`. Tells `engine`, `model`, `context`, `slots`,
        `template`, and `bytes`: of `weights`, `kv`."""
        ...

    def begin(self, work: Work, method: str, params: dict[str, Any]) -> None: ...

    def step(self) -> bool: ...
