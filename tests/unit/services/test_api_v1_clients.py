"""Errors as OpenAI's and Anthropic's own clients raise them, of an application in this process."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import pytest

from services.api import http
from services.messages.security import OWNER_PRINCIPAL
from solo.bus import Busy
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.llm_house import delta, models

HI: Any = [{"role": "user", "content": "Hi"}]
BASE = "http://127.0.0.1:8700"
KNOWN: dict[str, Any] = {"api_key": "sk-x", "max_retries": 0}


def carrier(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), trust_env=False)


@pytest.mark.parametrize(
    ("status", "kind", "theirs"),
    [
        (400, openai.BadRequestError, anthropic.BadRequestError),
        (401, openai.AuthenticationError, anthropic.AuthenticationError),
        (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
        (404, openai.NotFoundError, anthropic.NotFoundError),
        (429, openai.RateLimitError, anthropic.RateLimitError),
        (503, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
async def test_by_status(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception], theirs: type[Exception]
) -> None:
    monkeypatch.setitem(http.STATUS, "bus.busy", status)
    async with models(ctx, parts=[Busy("too much")]) as (app, _), carrier(app) as carried:
        client = openai.AsyncOpenAI(base_url=f"{BASE}/v1", http_client=carried, **KNOWN)
        for stream in (False, True):
            with pytest.raises(kind):
                await client.chat.completions.create(model="solo", messages=HI, stream=stream)
            with pytest.raises(kind):
                await client.responses.create(model="solo", input="Hi", stream=stream)
        other = anthropic.AsyncAnthropic(base_url=BASE, http_client=carried, **KNOWN)
        with pytest.raises(theirs):
            await other.messages.create(model="solo", messages=HI, max_tokens=3)


async def test_in_the_middle(ctx: Context) -> None:
    parts = [delta("Pa"), 0.01, EngineDied("gone")]
    async with models(ctx, parts=parts) as (app, _), carrier(app) as carried:
        client = openai.AsyncOpenAI(base_url=f"{BASE}/v1", http_client=carried, **KNOWN)
        stream = await client.chat.completions.create(model="solo", messages=HI, stream=True)
        with pytest.raises(openai.APIError, match="gone"):
            _ = [chunk async for chunk in stream]
        events = [event async for event in await client.responses.create(model="solo", input="Hi", stream=True)]
        assert events[-1].type == "response.failed"
        other = anthropic.AsyncAnthropic(base_url=BASE, http_client=carried, **KNOWN)
        said = await other.messages.create(model="solo", messages=HI, max_tokens=3, stream=True)
        with pytest.raises(anthropic.APIStatusError, match="gone"):
            _ = [event async for event in said]


async def test_a_response_of_nobody(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.STATUS, "api.no_such_response", 404)
    async with models(ctx, who=OWNER_PRINCIPAL) as (app, _), carrier(app) as carried:
        client = openai.AsyncOpenAI(base_url=f"{BASE}/v1", http_client=carried, **KNOWN)
        made = await client.responses.create(model="solo", input="Hi")
        await client.responses.delete(made.id)
        for asking in (
            client.responses.retrieve(made.id),
            client.responses.delete(made.id),
            client.responses.create(model="solo", input="Hi", previous_response_id=made.id),
        ):
            with pytest.raises(openai.NotFoundError):
                await asking
