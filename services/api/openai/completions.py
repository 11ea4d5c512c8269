"""Completions of bare text: the request, and its answer at once or in chunks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema, model_validator

from services.api.openai.asking import LEAST_TOP_P, USUAL_TOKENS, Asking, NotOffered, Stops, answerer
from services.api.openai.chunks import DONE, FINISH, joined, plain_json, usage_of
from services.api.openai.shapes import never, texts
from services.api.openai.streams import STILL_HERE, Answered
from services.messages.language import MOST_TOKENS, Complete, CompletionEnd, Sampling, TextDelta, TokenLogprob
from solo.errors import SoloError

MOST_PROMPTS = 8


def _texts(value: object) -> object:
    if isinstance(value, list) and value and not all(isinstance(text, str) for text in value):
        raise ValueError("is not text: Solo takes no tokens here")
    return [value] if isinstance(value, str) else value


class CompletionRequest(Asking):
    """`POST /v1/completions`. What OpenAI's API has beyond these fields is ignored."""

    model_config = ConfigDict(
        json_schema_extra=never(
            {"properties": {"echo": {"const": True}, "logprobs": {"type": "integer"}}, "required": ["echo", "logprobs"]}
        )
    )

    prompt: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        BeforeValidator(_texts),
        Field(min_length=1, max_length=MOST_PROMPTS),
        WithJsonSchema(texts(MOST_PROMPTS)),
    ]
    """Text to go on with, or up to 8 of them, each of which gets an answer. No chat template; never shortened."""
    model: str = Field(default="", max_length=1000)
    """A role, a model's name, or `solo`."""
    stream: StrictBool = False
    """As server-sent events; several prompts one after the other."""
    stream_options: dict[str, Any] = {}
    """`include_usage`: one more chunk for each prompt that says what it took."""
    max_tokens: int = Field(default=USUAL_TOKENS, ge=1, le=MOST_TOKENS)
    """Longest answer."""
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    """As in `Sampling`, and so are the next six."""
    top_p: float = Field(default=1.0, ge=0, le=1)
    top_k: int = Field(default=0, ge=0, le=1_000_000)
    min_p: float = Field(default=0.0, ge=0, le=1)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    """The same seed, the same answer."""
    stop: Stops = ()
    """Where the answer ends."""
    n: int = Field(default=1, ge=1, le=1)
    """One answer for each prompt."""
    best_of: int = Field(default=1, ge=1, le=1)
    """The first one is the best."""
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """With each token its logprob, and those of so many of the likeliest."""
    echo: StrictBool = False
    """The prompt before the answer; its own tokens have no logprobs."""
    suffix: NotOffered = None
    """Not offered: the models go on with a text, they do not fill gaps."""

    @model_validator(mode="after")
    def _echo_without_logprobs(self) -> CompletionRequest:
        if self.echo and self.logprobs is not None:
            raise ValueError("echo and logprobs do not go together: the prompt's tokens have none")
        return self

    def questions(self, profile: str) -> list[Complete]:
        """One for each prompt."""
        sampling = Sampling(
            temperature=self.temperature,
            top_p=max(LEAST_TOP_P, self.top_p),
            top_k=self.top_k,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=self.seed,
        )
        return [
            Complete(
                prompt=prompt,
                max_tokens=self.max_tokens,
                sampling=sampling,
                stop=self.stop,
                logprobs=self.logprobs,
                profile=profile,
                **answerer(self.model),
            )
            for prompt in self.prompt
        ]


class TextChunks:
    """A `Told`: chunks of the kind `text_completion`."""

    def __init__(self, name: str, asked: CompletionRequest) -> None:
        self._known = {"id": name, "object": "text_completion", "created": int(time.time())}
        self._model = asked.model or "solo"
        self._prompts = asked.prompt
        self._echo = asked.echo
        self._usage = bool(asked.stream_options.get("include_usage"))
        self._index = -1
        self._offset = 0

    def begin(self) -> bytes:
        self._index += 1
        self._offset = 0
        return self._chunk(self._prompts[self._index]) if self._echo else b""

    def text(self, deltas: Sequence[TextDelta]) -> bytes:
        text, tokens = joined(deltas)
        said = self._chunk(text, logprobs_of(tokens, self._offset))
        self._offset += len(text)
        return said

    def end(self, end: CompletionEnd) -> bytes:
        said = self._chunk("", finish=FINISH[end.finish])
        if self._usage:
            took = {**self._known, "model": end.model or self._model, "choices": [], "usage": usage_of(end)}
            said += _event(took)
        return said + DONE if self._index == len(self._prompts) - 1 else said

    def failed(self, _: SoloError, body: bytes) -> bytes:
        return b"data: " + body + b"\n\n" + DONE

    def quiet(self) -> bytes:
        return STILL_HERE

    def _chunk(self, text: str, logprobs: dict[str, Any] | None = None, finish: str | None = None) -> bytes:
        choice = {"index": self._index, "text": text, "logprobs": logprobs, "finish_reason": finish}
        return _event({**self._known, "model": self._model, "choices": [choice]})


def whole(name: str, asked: CompletionRequest, answers: Sequence[Answered]) -> bytes:
    """All answers at once; the usage is that of all together."""
    choices = []
    for index, (deltas, end) in enumerate(answers):
        text, tokens = joined(deltas)
        said = asked.prompt[index] + text if asked.echo else text
        choices.append(
            {"index": index, "text": said, "logprobs": logprobs_of(tokens, 0), "finish_reason": FINISH[end.finish]}
        )
    last = answers[-1].end
    together = {
        field: sum(getattr(answer.end, field) for answer in answers)
        for field in ("prompt_tokens", "cached_tokens", "completion_tokens", "drafted_tokens", "accepted_tokens")
    }
    answer = {
        "id": name,
        "object": "text_completion",
        "created": int(time.time()),
        "model": last.model or asked.model or "solo",
        "choices": choices,
        "usage": usage_of(last.model_copy(update=together)),
    }
    return plain_json(answer).encode()


def logprobs_of(tokens: Sequence[TokenLogprob], offset: int) -> dict[str, Any] | None:
    """In the older form: lists side by side; `offset`: characters of the answer before them. None: there are none."""
    if not tokens:
        return None
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [dict(token.top) for token in tokens] if any(token.top for token in tokens) else None,
        "text_offset": offsets,
    }


def _event(said: dict[str, Any]) -> bytes:
    return f"data: {plain_json(said)}\n\n".encode()
