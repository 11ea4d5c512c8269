"""What a server says instead of an answer, as named errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from services.llm.engine import PromptTooLong
from services.llm.remote import RemoteFailed, RemoteForbidden, RemoteRefused, RemoteUnavailable
from solo.errors import SoloError

_MOST_SAID = 200
"""Characters of a server's message that are passed on."""
_LATER = frozenset({408, 429, 502, 503, 504})
"""Statuses that another try may not get."""
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context length|exceeds? (?:the available )?context"
)
_NUMBERS = (
    re.compile(r"request \((?P<prompt>\d{1,9}) tokens\) exceeds the available context size \((?P<context>\d{1,9})"),
    re.compile(r"maximum context length is (?P<context>\d{1,9}) .*?\((?P<prompt>\d{1,9}) in (?:the|your)"),
    re.compile(r"Requested tokens \((?P<prompt>\d{1,9})\) exceed context window of (?P<context>\d{1,9})"),
)
"""How llama.cpp's server, vLLM and OpenAI, and llama-cpp-python say it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer, and what may be done about it."""

    error: SoloError
    pause_s: float | None = None
    """Seconds to wait before another try, where the server says so."""
    prompt_tokens: int = 0
    """Of a prompt that is too long; 0: not said."""
    context: int = 0
    """And what the model takes."""

    @property
    def passing(self) -> bool:
        """Another try may be answered."""
        return isinstance(self.error, RemoteUnavailable)


def refusal(status: int, body: bytes, headers: Mapping[str, str], key: str | None) -> Refusal:
    """Of a response whose status is not 200."""
    said, kind = message_of(body, key)
    quoted = f': "{said}"' if said else ""
    if status in {401, 403}:
        return Refusal(
            RemoteForbidden(f"the server refuses the key with status {status}", hint="Set the key that it takes.")
        )
    if status in _LATER:
        hint = "Wait until it has loaded its model or has less to do, or look at its log."
        return Refusal(
            RemoteUnavailable(f"the server answers with status {status}{quoted}", hint=hint), pause_of(headers)
        )
    if 300 <= status < 400:
        return Refusal(RemoteFailed("the server sends Solo elsewhere", hint="Use the URL that it redirects to."))
    if _TOO_LONG.search(f"{kind} {said}"):
        numbers = next(filter(None, (pattern.search(said) for pattern in _NUMBERS)), None)
        prompt, context = (int(numbers["prompt"]), int(numbers["context"])) if numbers else (0, 0)
        hint = "Shorten the question or the system prompt, or ask for a shorter answer."
        return Refusal(PromptTooLong(f"the server refuses the prompt{quoted}", hint=hint), None, prompt, context)
    if status == 404:
        hint = "Look at what the server lists under /models, and whether its URL ends in /v1."
        return Refusal(RemoteFailed(f"the server does not have that{quoted}", hint=hint))
    if status < 500 or status == 501:
        return Refusal(RemoteRefused(f"the server refuses the question with status {status}{quoted}"))
    return Refusal(RemoteFailed(f"the server failed with status {status}{quoted}", hint="Look at the server's log."))


def in_band(error: object, key: str | None) -> Refusal:
    """Of an error that comes as an event, when the status has long been 200."""
    body = json.dumps({"error": error}).encode()
    code = error.get("code") if isinstance(error, dict) else None
    return refusal(code if isinstance(code, int) and 400 <= code < 600 else 500, body, {}, key)


def message_of(body: bytes, key: str | None) -> tuple[str, str]:
    """The message in an error's body, clean, and its type or code."""
    text = body.decode("utf-8", "replace")
    kind = ""
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        said = "" if text.lstrip().startswith("<") else text
    if isinstance(said, dict):
        inner = said.get("error") or said.get("detail") or said.get("message")
        if isinstance(inner, dict):
            kind = f"{inner.get('type')} {inner.get('code')}"
            inner = inner.get("message")
        said = inner
    if isinstance(said, list) and said:  # FastAPI's list of what does not fit
        said = said[0].get("msg") if isinstance(said[0], dict) else said[0]
    return clean(said, key) if isinstance(said, str) else "", kind[:_MOST_SAID]


def clean(text: str, key: str | None) -> str:
    """On one line, short, without what steers terminals, and without the key."""
    if key:
        text = text.replace(key, "***")
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 8 * _MOST_SAID]).split())
    return text if len(text) <= _MOST_SAID else text[:_MOST_SAID] + "…"


def pause_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to be left alone (`Retry-After`, which is seconds or a date)."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", said):
        return float(said)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
