"""OpenAI's API while an answer is being made: who leaves, who waits, who reads slowly."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import ASGIApp

from services.api.openai import live, streams
from solo.supervision import Context
from tests.stubs.llm_house import delta, end, models

LONG = 60.0


class Caller:
    """An ASGI server's side of one request."""

    def __init__(self, path: str = "/v1/chat/completions", *, cut: bool = False, **body: Any) -> None:
        messages = {"messages": [{"role": "user", "content": "Hi"}]}
        self.sent: list[Any] = []
        self.gone = asyncio.Event()
        self.came = asyncio.Event()
        """Something was sent."""
        self.room = asyncio.Event()
        self.room.set()
        content = json.dumps(body if "input" in body else messages | body).encode()
        self._incoming = [{"type": "http.request", "body": content, "more_body": cut}]
        self._cut = cut
        headers = [(b"host", b"127.0.0.1:8700"), (b"content-type", b"application/json")]
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
        }
        self._scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}

    async def call(self, app: ASGIApp) -> None:
        await app(self._scope, self._receive, self._send)

    async def _receive(self) -> Any:
        if self._incoming:
            return self._incoming.pop(0)
        if not self._cut:
            await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.room.wait()
        self.sent.append(message)
        self.came.set()

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


class TestLeaving:
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize("parts", [[LONG], [delta("Pa"), LONG]], ids=["before", "between"])
    async def test_cancels_at_once(self, ctx: Context, stream: bool, parts: list[Any]) -> None:
        async with models(ctx, parts=[*parts, end()]) as (app, played):
            caller = Caller(stream=stream)
            calling = asyncio.create_task(caller.call(app))
            while not played.asked:
                await asyncio.sleep(0)
            if stream and len(parts) > 1:
                await caller.came.wait()
            assert not played.left.is_set()
            caller.gone.set()
            async with asyncio.timeout(1):
                await played.left.wait()
                await calling

    async def test_of_vectors_too(self, ctx: Context) -> None:
        async with models(ctx, parts=[LONG]) as (app, played):
            caller = Caller("/v1/embeddings", input="a")
            calling = asyncio.create_task(caller.call(app))
            while not played.asked:
                await asyncio.sleep(0)
            caller.gone.set()
            async with asyncio.timeout(1):
                await played.left.wait()
                await calling

    async def test_many_times(self, ctx: Context) -> None:
        async with models(ctx, parts=[delta("Pa"), LONG, end()]) as (app, played):
            for cycle in range(100):
                played.left.clear()
                caller = Caller(stream=cycle % 2 == 0)
                calling = asyncio.create_task(caller.call(app))
                while len(played.asked) <= cycle:
                    await asyncio.sleep(0)
                caller.gone.set()
                await calling
                await played.left.wait()
        assert len(asyncio.all_tasks()) == 1

    async def test_with_half_a_body(self, ctx: Context) -> None:
        """So the guard ends one that is too large."""
        async with models(ctx) as (app, played):
            caller = Caller(cut=True)
            await caller.call(app)
        assert caller.sent[0]["status"] == 413
        assert not played.asked

    async def test_a_crash_is_no_leaving(self, ctx: Context) -> None:
        async with models(ctx, parts=[delta("Pa")]) as (app, _):
            with pytest.raises(ExceptionGroup, match="unhandled"):
                await Caller(stream=True).call(app)


@pytest.mark.virtual_time
class TestWaiting:
    async def test_a_sign_of_life_in_every_silence(self, ctx: Context) -> None:
        async with models(ctx, parts=[3.5 * live.PING_S, delta("Paris"), 2.5 * live.PING_S, end()]) as (app, _):
            caller = Caller(stream=True)
            await caller.call(app)
        assert caller.sent[0]["status"] == 200
        comments = caller.text.split("data: ")[0].split("\n\n")[:-1]
        assert comments == [": still here"] * 3
        between = caller.text.split("Paris", 1)[1]
        assert between.count(": still here\n\n") in {1, 2}
        assert caller.text.endswith("data: [DONE]\n\n")
        assert [message["type"] for message in caller.sent].count("http.response.start") == 1

    async def test_none_for_who_wants_it_whole(self, ctx: Context) -> None:
        async with models(ctx, parts=[3.5 * live.PING_S, delta("Paris"), end()]) as (app, _):
            caller = Caller()
            await caller.call(app)
        assert json.loads(caller.text)["choices"][0]["message"]["content"] == "Paris"

    async def test_an_error_after_a_sign_of_life_is_an_event(self, ctx: Context) -> None:
        async with models(ctx, parts=[2 * streams.WITHIN_S]) as (app, _):
            caller = Caller(stream=True)
            await caller.call(app)
        assert caller.sent[0]["status"] == 200
        assert '"code":"bus.deadline"' in caller.text


async def test_a_slow_reader_holds_the_model_up(ctx: Context) -> None:
    """What he does not take is not kept for him without end."""
    async with models(ctx, parts=[*(delta("x") for _ in range(1000)), end()]) as (app, played):
        caller = Caller(stream=True)
        caller.room.clear()
        calling = asyncio.create_task(caller.call(app))
        for _ in range(2000):
            await asyncio.sleep(0)
        assert 0 < played.said < 100
        caller.room.set()
        await calling
        assert played.said == 1001
