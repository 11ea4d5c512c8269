"""A question as the body of a request, in a server's dialect."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from services.llm.adapters.remote.dialects import Dialect
from services.llm.remote import RemoteRefused
from services.messages.language import ChatMessage, Complete, Form, Sampling, Tool
from solo.isolation.engine import BadEngineInput

_SEEDS = 2**31
"""What every server takes as a seed is below this."""


def body_of(question: Complete, messages: Sequence[ChatMessage], model: str, dialect: Dialect) -> dict[str, Any]:
    """Raises `RemoteRefused` for what this server cannot, `BadEngineInput` for pictures of unknown kinds."""
    if question.prompt is not None:
        return _bare(question, question.prompt, model, dialect)
    asked = messages_of(messages)
    body: dict[str, Any] = {
        "model": model,
        "messages": asked,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": question.max_tokens,
        **_sampling(question.sampling, dialect),
    }
    if question.stop:
        body["stop"] = list(question.stop)
    if question.logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = question.logprobs
    if question.tools:
        body["tools"] = tools_of(question.tools)
        choice = question.tool_choice
        plain = choice in {"auto", "none", "required"}
        body["tool_choice"] = choice if plain else {"type": "function", "function": {"name": choice}}
    if question.form is not None:
        body.update(_form(question.form, dialect))
    # A blank at its end belongs to the next word's token, as everywhere (see `Beginning`).
    if said := question.prefix.rstrip(" "):
        asked.append({"role": "assistant", "content": said})
        if dialect.continues == "asked":
            body["continue_final_message"] = True
            body["add_generation_prompt"] = False
    return body


def path_of(question: Complete) -> str:
    """Where the server takes it."""
    return "chat/completions" if question.prompt is None else "completions"


def _bare(question: Complete, prompt: str, model: str, dialect: Dialect) -> dict[str, Any]:
    if question.logprobs is not None or question.form is not None:
        # Servers differ in how they take these and answer them here.
        raise RemoteRefused(
            "A model behind another server goes on with bare text without logprobs and without a form",
            hint="Leave them out, or ask with a conversation.",
        )
    body: dict[str, Any] = {
        "model": model,
        "prompt": prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": question.max_tokens,
        **_sampling(question.sampling, dialect),
    }
    if question.stop:
        body["stop"] = list(question.stop)
    return body


def messages_of(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """In OpenAI's form; pictures as data: URLs, so that no server fetches anything."""
    return [_message(message) for message in messages]


def tools_of(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def _message(message: ChatMessage) -> dict[str, Any]:
    said: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        pictures = [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in message.images]
        said["content"] = [{"type": "text", "text": message.content}, *pictures]
    if message.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        said["tool_call_id"] = message.tool_call_id
    return said


def _data_url(image: bytes) -> str:
    if image.startswith(b"\xff\xd8\xff"):
        kind = "jpeg"
    elif image.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = "png"
    elif image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        kind = "webp"
    else:
        raise BadEngineInput("A picture is neither JPEG nor PNG nor WebP", hint="Convert it first.")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _sampling(sampling: Sampling, dialect: Dialect) -> dict[str, Any]:
    chosen: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    for name in ("presence_penalty", "frequency_penalty"):
        if value := getattr(sampling, name):
            chosen[name] = value
    if sampling.seed is not None:
        chosen["seed"] = sampling.seed % _SEEDS
    always = dialect.numbers == "always"
    if sampling.top_k:
        chosen["top_k"] = sampling.top_k
    if always or sampling.min_p:
        chosen["min_p"] = sampling.min_p
    if always or sampling.repeat_penalty != 1:
        chosen[dialect.penalty] = sampling.repeat_penalty
    return chosen


def _form(form: Form, dialect: Dialect) -> dict[str, Any]:
    if form.grammar is not None:
        if not dialect.grammar:
            raise RemoteRefused(
                f"{dialect.name} takes no GBNF grammar", hint="Ask for a JSON schema instead, or use another model."
            )
        return {"grammar": form.grammar}
    if not form.json_schema:
        return {"response_format": {"type": "json_object"}}
    if dialect.schema == "json_object":
        return {"response_format": {"type": "json_object", "schema": form.json_schema}}
    named = {"name": "answer", "schema": form.json_schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}
