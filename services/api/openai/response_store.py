"""Responses kept for a while, so that a conversation can go on from one of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, NamedTuple

from fastapi import Request

from services.messages.language import ChatMessage

MOST_KEPT = 256
MOST_BYTES = 32 * 1024**2
"""Of one profile, as both are: the oldest go first. In memory alone: a restart forgets them."""
TTL_S = 24 * 3600.0
_MOST_PROFILES = 64
"""Profiles whose responses are kept; the one that has been quiet the longest goes."""


class Kept(NamedTuple):
    """One response."""

    body: bytes
    """As it was answered, JSON."""
    items: tuple[dict[str, Any], ...]
    """What was asked with it, in the API's words."""
    messages: tuple[ChatMessage, ...]
    """The conversation with its answer, without instructions."""
    until: float
    """Seconds on the event loop's clock from when on it is gone."""

    @property
    def size(self) -> int:
        """Bytes, about."""
        said = sum(
            len(message.content)
            + sum(map(len, message.images))
            + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
            for message in self.messages
        )
        return len(self.body) + said + sum(_size(item) for item in self.items)


class ResponseStore:
    """By profile: what one has asked is not there for another."""

    def __init__(self) -> None:
        self._profiles: OrderedDict[str, OrderedDict[str, Kept]] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def put(self, profile: str, name: str, kept: Kept) -> None:
        """Keep it, unless it is too large by itself."""
        size = kept.size
        if size > MOST_BYTES:
            return
        own = self._profiles.setdefault(profile, OrderedDict())
        self._profiles.move_to_end(profile)
        own[name] = kept
        self._sizes[profile] = self._sizes.get(profile, 0) + size
        while own and (
            len(own) > MOST_KEPT or self._sizes[profile] > MOST_BYTES or self._over(next(iter(own.values())))
        ):
            self.delete(profile, next(iter(own)))
        while len(self._profiles) > _MOST_PROFILES:
            gone, _ = self._profiles.popitem(last=False)
            del self._sizes[gone]

    def get(self, profile: str, name: str) -> Kept | None:
        kept = self._of(profile).get(name)
        if kept is not None and self._over(kept):
            self.delete(profile, name)
            return None
        return kept

    def delete(self, profile: str, name: str) -> bool:
        """False: there was none."""
        kept = self._of(profile).pop(name, None)
        if kept is None:
            return False
        self._sizes[profile] -= kept.size
        return True

    def _of(self, profile: str) -> OrderedDict[str, Kept]:
        return self._profiles.get(profile) or OrderedDict()

    @staticmethod
    def _over(kept: Kept) -> bool:
        return asyncio.get_running_loop().time() >= kept.until


def store_of(request: Request) -> ResponseStore:
    """The application's; it lives as long as the application."""
    state = request.app.state
    if not hasattr(state, "responses"):
        state.responses = ResponseStore()
    store: ResponseStore = state.responses
    return store


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(name) + _size(part) for name, part in value.items())
    if isinstance(value, list):
        return sum(_size(part) for part in value)
    return len(value) if isinstance(value, str) else 8
