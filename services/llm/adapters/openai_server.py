"""Models run by any OpenAI-compatible server: llama-server, Ollama, vLLM, LM Studio, asked by URL."""

from __future__ import annotations

import array
import asyncio
import importlib
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from services.llm.adapters.remote.counting import Counter
from services.llm.adapters.remote.dialects import Dialect, context_of, dialect_of
from services.llm.adapters.remote.exchange import Exchange
from services.llm.adapters.remote.line import Line, Refused
from services.llm.remote import RemoteFailed, RemoteSlow, RemoteUnavailable
from services.messages.language import (
    Complete,
    CompletionEnd,
    Counted,
    CountTokens,
    Embedded,
    EmbedTexts,
    Prefill,
    TextDelta,
)
from solo.bus.context import deadline_after
from solo.egress import GUARD, Endpoint
from solo.isolation.engine import BadEngineInput
from solo.supervision import EngineState

if TYPE_CHECKING:
    import httpx

WHOLE_S = 900.0
"""The longest that one answer may take, in seconds."""
_MOST_LISTED = 4 * 1024**2
"""Bytes of a server's list of models."""
_MOST_VECTORS = 64 * 1024**2
"""Bytes of the vectors of one request: 256 texts of 8 192 numbers in decimal come to about 50 MB."""
_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class OpenAIServerMaker:
    """A `RunnerMaker`. Raises `BadEngineInput` for what is no URL of a server."""

    url: str
    """Of the API, such as http://127.0.0.1:8080/v1; `/v1` is added where there is no path."""
    model: str
    """As the server lists it; empty: the first one that it lists."""
    key: str | None = field(default=None, repr=False)
    """Sent as a bearer token; never shown."""
    connect_s: float = 3.0
    """Seconds to connect."""
    first_token_s: float = 120.0
    """Seconds until the first token, tries again and the server's own queue included."""
    between_tokens_s: float = 30.0
    """Seconds from one token to the next."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        hint = "Use one like http://127.0.0.1:8080/v1, and give a key in its own setting."
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise BadEngineInput("That is no URL of a server", hint=hint)
        if parts.username is not None or parts.password is not None:
            raise BadEngineInput("The URL of a server holds a name or a password", hint=hint)
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            raise BadEngineInput("The key of a server has signs that no header takes", hint="Copy it again.")

    @property
    def base(self) -> str:
        """The API's address."""
        url = self.url.rstrip("/")
        return url if urlsplit(url).path else url + "/v1"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[OpenAIServer]:
        """Ask the server for its models first. Raises `RemoteUnavailable`, also when it does not list the model."""
        with GUARD.allow(Endpoint.parse(self.base, "a server of language models")):
            async with self._running() as server:
                yield server

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[OpenAIServer]:
        async with await asyncio.to_thread(self._client) as client:  # httpx and certificates take their time to load
            line = Line(client, self.key, self.base)
            by = deadline_after(self.connect_s + self.between_tokens_s)
            try:
                listed = await line.ask("GET", "models", None, by, _MOST_LISTED)
            except Refused as refused:
                raise refused.refusal.error from refused
            except (RemoteSlow, RemoteFailed) as error:
                raise RemoteUnavailable(f"{self.base} does not say what models it has", hint=error.hint) from error
            entry = self._entry(listed)
            yield OpenAIServer(self, line, entry["id"], dialect_of(entry), context_of(entry))

    def _client(self) -> httpx.AsyncClient:
        web = importlib.import_module("httpx")
        headers = {"accept-encoding": "identity", "user-agent": "solo"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        client: httpx.AsyncClient = web.AsyncClient(
            base_url=self.base + "/",
            headers=headers,
            # Reading has deadlines of its own: a token and a sign of life are not the same.
            timeout=web.Timeout(None, connect=self.connect_s, write=self.first_token_s, pool=self.first_token_s),
            limits=web.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=8),
            trust_env=False,
            verify=self.base.startswith("https:"),
        )
        return client

    def _entry(self, listed: object) -> dict[str, Any]:
        data = listed.get("data") if isinstance(listed, dict) else None
        entries = (
            [
                entry
                for entry in data or ()
                if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]
            ]
            if isinstance(data, list)
            else []
        )
        for entry in entries:
            if self.model in {"", entry["id"]}:
                return entry
        names = ", ".join(entry["id"][:60] for entry in entries[:5]) or "none"
        raise RemoteUnavailable(
            f"{self.base} does not have the model {self.model!r}" if self.model else f"{self.base} has no model",
            hint=f"It lists: {names}.",
        )


class OpenAIServer:
    """A `Runner`. Whole questions go to the server; the history is shortened only when it says that it is too long."""

    def __init__(self, maker: OpenAIServerMaker, line: Line, model: str, dialect: Dialect, context: int) -> None:
        self.name = f"{maker.url}#{maker.model or model}"
        self._maker = maker
        self._line = line
        self._model = model
        self._dialect = dialect
        self._context = context
        self._counter = Counter(line, model, dialect, context)

    def state(self) -> EngineState:
        """`counting` in `info` says whether `count` is the server's own or an estimate."""
        counting = "estimate" if self._dialect.counts == "no" else "server"
        info = {"url": self._maker.base, "context": self._context, "counting": counting}
        return EngineState(engine=self._dialect.name, model=self._model, info=info)

    @asynccontextmanager
    async def complete(self, question: Complete) -> AsyncIterator[AsyncGenerator[TextDelta | CompletionEnd, None]]:
        """Raises the errors of `services.llm.remote`, `PromptTooLong`, `BadEngineInput`, `DeadlineExceeded`."""
        exchange = Exchange(
            self._line,
            self._model,
            self._dialect,
            self._context,
            question,
            first_token_s=self._maker.first_token_s,
            between_tokens_s=self._maker.between_tokens_s,
            whole_s=WHOLE_S,
        )
        async with aclosing(exchange.parts()) as parts:
            yield parts

    async def prefill(self, question: Prefill) -> int:
        """0: a server's cache is its own business."""
        return 0

    async def count(self, question: CountTokens) -> Counted:
        """The server's own count where it tells one, else an estimate (see `state`). `context` 0: it does not say."""
        return await self._counter.count(question, deadline_after(self._maker.first_token_s))

    async def embed(self, question: EmbedTexts) -> Embedded:
        """Raises the errors of `services.llm.remote`."""
        body = {"model": self._model, "input": list(question.texts), "encoding_format": "float"}
        by = deadline_after(self._maker.first_token_s)
        try:
            said = await self._line.ask("POST", "embeddings", body, by, _MOST_VECTORS)
        except Refused as refused:
            raise refused.refusal.error from refused
        return _embedded(said, len(question.texts), self.name)


def _embedded(said: object, wanted: int, model: str) -> Embedded:
    unreadable = RemoteFailed("the server's vectors cannot be read", hint="Is it a server of embeddings?")
    try:
        entries = sorted(said["data"], key=lambda entry: entry["index"])  # type: ignore[index]  # caught below
        vectors = tuple(_unit(entry["embedding"]) for entry in entries)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise unreadable from error
    if len(vectors) != wanted or len({len(vector) for vector in vectors}) != 1:
        raise unreadable
    usage = said.get("usage") if isinstance(said, dict) else None
    tokens = usage.get("prompt_tokens", 0) if isinstance(usage, dict) else 0
    return Embedded(vectors=vectors, tokens=tokens if isinstance(tokens, int) else 0, model=model)


def _unit(numbers: list[float]) -> tuple[float, ...]:
    vector = array.array("d", numbers)
    length = math.sqrt(math.fsum(number * number for number in vector))
    if not 0 < length < math.inf:
        raise ValueError("no direction")
    return tuple(number / length for number in vector)
