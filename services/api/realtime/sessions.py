"""All realtime sessions of the house: how many there may be, how many responses, and what waits to be opened."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

from services.api.guards.limits import Rates, Standing, Windows
from services.api.openai.asking import DEFAULTS, answerer
from services.api.realtime.failures import TooManyRealtime
from services.api.realtime.shape import Settings
from services.messages.security import Principal

MOST_EACH = 8
"""Sessions of one user or key."""
MOST_IN_ALL = 16
"""The speech detector keeps so many voices apart."""
MOST_SECRETS = 256
"""Client secrets that wait; the oldest makes room for the next."""
_ALIASES = ("gpt-realtime", "gpt-4o-realtime", "gpt-4o-mini-realtime", "gpt-audio")
"""How OpenAI's names begin, which clients have built in: all mean who holds the conversation."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What a session that is opened with a client secret begins with."""

    settings: Settings
    model: str
    until: float
    """Seconds since 1970."""


@dataclass(slots=True)
class RealtimeSessions:
    responses: Windows = field(default_factory=Windows)
    _open: Counter[str] = field(default_factory=Counter)
    _secrets: OrderedDict[bytes, Promised] = field(default_factory=OrderedDict)

    @contextmanager
    def opened(self, who: Principal) -> Iterator[None]:
        """Raises TooManyRealtime."""
        name = who.user or who.id
        if self._open[name] >= MOST_EACH or self._open.total() >= MOST_IN_ALL:
            raise TooManyRealtime(
                f"{self._open[name]} of yours and {self._open.total()} in all are open", hint="Close one first."
            )
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

    def take(self, who: Principal) -> Standing:
        """One response of those that its caller may have in a minute, over all sessions."""
        return self.responses.take(who.user or who.id, Rates().of("costly", owner=who.kind == "owner"))

    def promise(self, secret: str, settings: Settings, model: str, until: float) -> None:
        """Nothing of a secret is kept but its SHA-256."""
        self._secrets[_hashed(secret)] = Promised(settings, model, until)
        while len(self._secrets) > MOST_SECRETS:
            self._secrets.popitem(last=False)

    def redeem(self, secret: str) -> Promised | None:
        """Once, as the secret itself is worth something once."""
        promised = self._secrets.pop(_hashed(secret), None)
        return promised if promised is not None and time.time() < promised.until else None


def sessions_of(app: FastAPI) -> RealtimeSessions:
    """Those of this application."""
    sessions: RealtimeSessions | None = getattr(app.state, "realtime_sessions", None)
    if sessions is None:
        sessions = app.state.realtime_sessions = RealtimeSessions()
    return sessions


def answerer_of(model: str) -> dict[str, Any]:
    """`role` and `model` of the questions to the language models."""
    return {} if model in DEFAULTS or model.startswith(_ALIASES) else answerer(model)


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
